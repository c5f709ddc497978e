// Search runs in a worker, and browsers start none on a page that was opened from a file: there a hidden
// frame of the same page takes its place. Named as what Material for MkDocs would else fetch from elsewhere.
"use strict";
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc =
        "<script>postMessage = data => frameElement.dispatchEvent(new parent.MessageEvent('message', { data }))<\/script>" +
        `<script src="${new URL(url, location.href)}"><\/script>`;
      frame.addEventListener("message", ({ data }) => {
        const event = new MessageEvent("message", { data });
        this.dispatchEvent(event);
        this.onmessage?.(event);
      });
      this.loaded = new Promise(resolve => frame.addEventListener("load", resolve));
      this.frame = frame;
      document.documentElement.appendChild(frame);
    }
    postMessage(data) {
      this.loaded.then(() => {
        const there = this.frame.contentWindow;
        there.dispatchEvent(new there.MessageEvent("message", { data }));
      });
    }
    terminate() {
      this.frame.remove();
    }
  };
}
