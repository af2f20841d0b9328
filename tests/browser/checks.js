// What every page must have for those who do not see it, or see it differently. Returns a list of findings.
() => {
  const findings = [];
  const say = (what, node) => findings.push(what + (node ? ": " + (node.outerHTML || node).toString().slice(0, 140) : ""));
  const visible = (node) => {
    const style = getComputedStyle(node);
    return style.visibility !== "hidden" && style.display !== "none" && node.getClientRects().length > 0;
  };
  const text = (node) => (node.getAttribute("aria-label") || node.textContent || node.value || "").trim();

  if (!["en", "fr"].includes(document.documentElement.lang)) say("no language");
  if (document.querySelectorAll("h1").length !== 1) say("not one h1");
  if (!document.title.trim()) say("no title");
  for (const name of ["header", "nav", "main", "footer"])
    if (!document.querySelector(name)) say("no landmark " + name);
  for (const nav of document.querySelectorAll("nav, aside")) {
    const label = nav.getAttribute("aria-label") || document.getElementById(nav.getAttribute("aria-labelledby"))?.textContent;
    if (!label) say("a landmark without a name", nav);
  }
  let level = 1;
  for (const heading of document.querySelectorAll("main h1, main h2, main h3, main h4")) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) say("a heading level is left out", heading);
    if (!text(heading)) say("an empty heading", heading);
    level = next;
  }
  const ids = new Set();
  for (const node of document.querySelectorAll("[id]")) {
    if (ids.has(node.id)) say("an id stands twice", node);
    ids.add(node.id);
  }
  for (const node of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
    for (const name of ["aria-labelledby", "aria-describedby"])
      for (const id of (node.getAttribute(name) || "").split(" ").filter(Boolean))
        if (!document.getElementById(id)) say("a reference to nothing", node);
  for (const image of document.querySelectorAll("img")) if (!image.hasAttribute("alt")) say("no alt", image);
  for (const svg of document.querySelectorAll("svg"))
    if (svg.getAttribute("aria-hidden") !== "true" && !svg.getAttribute("aria-label")) say("a picture without a name", svg);
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
    if (!field.labels || field.labels.length === 0 || !field.labels[0].textContent.trim()) say("a field without a label", field);
  for (const node of document.querySelectorAll("a, button, summary")) if (!text(node)) say("nothing to read on it", node);
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption) say("a table without a caption", table);
    for (const th of table.querySelectorAll("th")) if (!th.scope) say("a header cell without scope", th);
  }
  for (const chip of document.querySelectorAll(".chip, .tile, .badge")) if (!text(chip)) say("colour only", chip);
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth)
    say("wider than the window: " + document.documentElement.scrollWidth);

  // Contrast of text (WCAG 2.2, 1.4.3): 4.5 to 1, or 3 to 1 for large text. Text over a gradient is left to the eye.
  const channel = (value) => { const c = value / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (color) => { const m = color.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const background = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== "none") return null;
      const color = parse(style.backgroundColor);
      if (color[3] === 1) return color;
      if (color[3] > 0) return null;
    }
    return parse(getComputedStyle(document.documentElement).backgroundColor);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !visible(node) || node.closest("script, noscript, .visually-hidden, .skip, .fresh")) continue;
    const style = getComputedStyle(node);
    const behind = background(node);
    if (!behind) continue;
    const [a, b] = [luminance(parse(style.color)), luminance(behind)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) say("contrast " + ratio.toFixed(2) + " for «" + walker.currentNode.textContent.trim().slice(0, 40) + "»", node);
  }
  return findings;
}
