// Markup in JavaScript: tagged templates that make Preact's elements.

import { h } from "preact";
import htm from "htm";

export const html = htm.bind(h);
