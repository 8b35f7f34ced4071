// HTML from templates: what is put in is escaped, unless it is HTML itself.

const ESCAPED = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

class Html {
  constructor(text) {
    this.text = text;
  }
  toString() {
    return this.text;
  }
}

function written(value) {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(written).join("");
  if (value === null || value === undefined || value === false) return "";
  return String(value).replace(/[&<>"']/g, (sign) => ESCAPED[sign]);
}

export function html(parts, ...values) {
  return new Html(parts.reduce((text, part, place) => text + written(values[place - 1]) + part));
}
