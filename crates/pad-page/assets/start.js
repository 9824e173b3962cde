// Loads the page once its frame is painted: compiling seventy modules would keep the browser from that.

requestAnimationFrame(() => setTimeout(() => {
  document.head.append(document.getElementById("modules").content);
  import("./app.js");
}));
