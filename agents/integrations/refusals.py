"""What a server answers to a request that is refused: what was wrong with it, in place of an error of its own."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from gymnasium.error import ResetNeeded


def tell_refusals(app: FastAPI) -> None:
    """Let an application answer 422 with the message where an environment refuses a value or a step."""
    for kind in (ValueError, ResetNeeded):
        app.add_exception_handler(kind, refused)


def refused(request: Request, error: Exception) -> JSONResponse:
    """Return the message of an error."""
    return JSONResponse({"detail": str(error)}, status_code=422)
