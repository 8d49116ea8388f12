// What tests/test_site.py asks of a page that lies open in the browser. Colours are read
// from computed styles and painted on a canvas, which knows every notation of them.

const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
const ink = canvas.getContext("2d", {willReadFrequently: true});
const known = new Map();

function rgba(colour) {
  if (!known.has(colour)) {
    ink.clearRect(0, 0, 1, 1);
    ink.fillStyle = colour;
    ink.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = ink.getImageData(0, 0, 1, 1).data;
    known.set(colour, [r, g, b, a / 255]);
  }
  return known.get(colour);
}

const over = ([r, g, b, a], below) =>
  [r, g, b].map((top, i) => top * a + below[i] * (1 - a));

function luminance(colour) {
  const [r, g, b] = colour.map((c) => {
    const part = c / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function lineage(element) {
  const out = [];
  for (let at = element; at; at = at.parentElement) out.unshift(at);
  return out;
}

// Background and opacity of an element with all that lies below it; `seen` keeps them.
function ground(element, seen = new Map()) {
  if (!element) return {colour: [255, 255, 255], opacity: 1};
  if (!seen.has(element)) {
    const below = ground(element.parentElement, seen);
    const {backgroundColor, opacity} = getComputedStyle(element);
    seen.set(element, {
      colour: over(rgba(backgroundColor), below.colour),
      opacity: below.opacity * opacity,
    });
  }
  return seen.get(element);
}

function label(element) {
  const kind = typeof element.className === "string" ? element.className.trim() : "";
  return element.tagName.toLowerCase() + (kind ? "." + kind.split(/\s+/).join(".") : "");
}

const visible = (element) =>
  element.checkVisibility({opacityProperty: true, visibilityProperty: true});

// Texts whose contrast is below that of WCAG 2 AA: 4.5, or 3 where letters are large.
function faintTexts() {
  const found = {};
  const seen = new Map();
  const read = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const words = texts.currentNode.data.trim();
    if (!words || read.has(element)) continue;
    read.add(element);
    if (element.closest("script, style, noscript") || !visible(element)) continue;
    const {width, height} = element.getBoundingClientRect();
    if (width < 2 || height < 2) continue; // for screen readers only
    const {color, fontSize, fontWeight} = getComputedStyle(element);
    const [r, g, b, a] = rgba(color);
    const {colour, opacity} = ground(element, seen);
    const ratio = contrast(over([r, g, b, a * opacity], colour), colour);
    const size = parseFloat(fontSize);
    const large = size >= 24 || (size >= 18.66 && fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5))
      found[label(element)] = `${ratio.toFixed(2)}: ${words.slice(0, 40)}`;
  }
  return found;
}

// Pictures that shine as a light box on a dark page: by their own background, or because
// their corners are painted light and no filter of the page turns them.
function glaringPictures() {
  const found = [];
  for (const picture of document.querySelectorAll("main img")) {
    if (!visible(picture)) continue;
    const {filter, backgroundColor} = getComputedStyle(picture);
    const turned = lineage(picture).some((at) =>
      getComputedStyle(at).filter.includes("invert"),
    );
    const page = ground(picture.parentElement).colour;
    const paper = document.createElement("canvas");
    paper.width = paper.height = 50;
    const pen = paper.getContext("2d", {willReadFrequently: true});
    pen.drawImage(picture, 0, 0, 50, 50);
    const below = over(rgba(backgroundColor), page);
    const corners = [[1, 1], [48, 1], [1, 48], [48, 48]].map(([x, y]) => {
      const [r, g, b, a] = pen.getImageData(x, y, 1, 1).data;
      const shown = [r, g, b].map((c) => (turned ? 255 - c : c)); // not what is below
      return luminance(over([...shown, a / 255], below));
    });
    if (corners.every((corner) => corner > 0.4))
      found.push(`${picture.getAttribute("src")} (${filter})`);
  }
  return found;
}

// What reaches out of the page to the right, or out of the boxes of the theme that hold
// text and would scroll sideways, without a box of its own that scrolls.
function overflowing() {
  const scrolls = (at) => /auto|scroll|hidden/.test(getComputedStyle(at).overflowX);
  const found = [];
  for (const box of document.querySelectorAll(
    "html, .bd-article-container, .bd-sidebar-primary, .bd-sidebar-secondary",
  )) {
    if (!visible(box) || box.scrollWidth <= box.clientWidth + 1) continue;
    const edge = box.getBoundingClientRect().left + box.clientWidth;
    const reaching = [...box.querySelectorAll("*")].filter((element) => {
      if (!visible(element) || element.getBoundingClientRect().right <= edge + 1) return false;
      const between = lineage(element.parentElement);
      return !between.slice(between.indexOf(box) + 1).some(scrolls);
    });
    found.push(`${label(box)}: ${box.scrollWidth} px`, ...reaching.slice(-3).map(label));
  }
  return found;
}

// Outputs of the page's code that show nothing, or an error; figures without words.
function wrongOutputs() {
  const found = [];
  for (const output of document.querySelectorAll(
    ".output > *, .sphx-glr-script-out, .output_subarea",
  )) {
    const words = output.textContent.trim();
    if (!words && !output.matches("img, a:has(img)")) found.push(`empty: ${label(output)}`);
    if (/Traceback \(most recent call last\)|Warning: /.test(words))
      found.push(words.slice(0, 200));
  }
  for (const picture of document.querySelectorAll(".output img, .sphx-glr-single-img"))
    if ((picture.getAttribute("alt") || "").trim().length < 5)
      found.push(`no words: ${picture.getAttribute("src")}`);
  return found;
}

// Open the diagrams of estimators and what else is folded in outputs.
function unfold() {
  for (const box of document.querySelectorAll(".output .sk-global input")) box.checked = true;
  for (const box of document.querySelectorAll(".output details")) box.open = true;
}

const brokenPictures = () =>
  [...document.images]
    .filter((picture) => visible(picture) && !(picture.complete && picture.naturalWidth))
    .map((picture) => picture.getAttribute("src"));
