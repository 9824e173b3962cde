// Icons, drawn in the colour of the text beside them.

import { html } from "../html.js";

const PATHS = {
  menu: "M4 6h16M4 12h16M4 18h16",
  sliders: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  send: "M5 12h14M13 6l6 6-6 6",
  stop: "M7 7h10v10H7z",
  again: "M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6",
  more: "M5 12h14M12 5l7 7-7 7",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  code: "M8 7l-5 5 5 5M16 7l5 5-5 5",
  branch: "M6 4v16M6 14c8 0 12-2 12-8M15 8l3-3 3 3",
  edit: "M4 20h4L19 9l-4-4L4 16z",
  close: "M6 6l12 12M18 6L6 18",
  add: "M12 5v14M5 12h14",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  key: "M14 10a4 4 0 1 0-4 4l1.5-1.5H14V11h2V9h2l2-2V4h-3z",
  left: "M15 6l-6 6 6 6",
  right: "M9 6l6 6-6 6",
  down: "M12 5v14M6 13l6 6 6-6",
};

export const Icon = ({ name }) => html`
  <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.8"
    stroke-linecap="round" stroke-linejoin="round"><path d=${PATHS[name]} /></svg>`;
