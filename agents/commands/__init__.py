"""What the commands of the command line do; each module has `run(arguments)`."""
