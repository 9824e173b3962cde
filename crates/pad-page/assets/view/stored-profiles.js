// Profiles that are stored on the server under names of others' choosing: a pane can prefer what one of them prefers.

import { html } from "../html.js";
import { same } from "../preference.js";
import { following, stored } from "../profile.js";
import { prefer, sides } from "../settings.js";

export function StoredProfiles({ side }) {
  if (stored.value.length === 0) return null;
  const found = stored.value.find((one) => same(following(one), sides.value[side]));
  const choose = ({ target }) => {
    const profile = stored.value.find(({ name }) => name === target.value);
    if (profile) prefer(side, following(profile));
  };
  return html`
    <label class="stored">As a stored profile
      <select value=${found?.name ?? ""} onChange=${choose}>
        <option value="">choose one</option>
        ${stored.value.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select>
    </label>`;
}
