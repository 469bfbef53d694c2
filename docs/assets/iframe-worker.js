/* Search of pages that are read from disk: browsers refuse workers there, so a hidden frame does a worker's work. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.appendChild(frame)
      const inside = frame.contentWindow
      const send = (target, data) => target.dispatchEvent(new MessageEvent("message", { data }))

      inside.postMessage = data => send(this, data)
      inside.importScripts = (...urls) => Promise.all(urls.map(each => load(new URL(each, url).href)))
      const load = src => new Promise((done, failed) => {
        const script = inside.document.createElement("script")
        Object.assign(script, { src, onload: done, onerror: failed })
        inside.document.body.appendChild(script)
      })
      const ready = load(new URL(url, location).href)
      this.postMessage = data => ready.then(() => send(inside, data))
      this.terminate = () => frame.remove()
    }
    set onmessage(listener) { this.addEventListener("message", listener) }
    set onerror(listener) { this.addEventListener("error", listener) }
  }
}
