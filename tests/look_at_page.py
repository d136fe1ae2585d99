#!/usr/bin/python3
"""look_at_page.py PAGE WIDTH SCHEME [PICTURE]: what a browser makes of a page.

Loads PAGE with headless Chromium in a frame WIDTH pixels wide, in a light or dark SCHEME, and
prints one JSON object:

  width      of the page's contents: more than WIDTH means that it scrolls sideways
  requests   addresses of what the page loaded or tried to load
  outside    elements that reach beyond the page's sides
  cut        elements whose contents do not fit, or text outside of its picture
  faint      texts with less contrast than 4.5 to what is behind them
  texts      how many texts were looked at
  background of the page

With PICTURE it also saves a screenshot of the first 2,000 lines of pixels. Exit status 77: there is
no Chromium.
"""
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

PROBE = r"""
const frame = document.querySelector('iframe'), result = {};
function name(e) {
  return e.tagName.toLowerCase() + (e.className.baseVal ?? e.className ?
      '.' + (e.className.baseVal ?? e.className) : '') + ': ' + e.textContent.trim().slice(0, 40);
}
function luminance(c) {
  const [r, g, b] = c.map(v => v / 255).map(
      v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function color(text) { return text.match(/[\d.]+/g).map(Number); }
function behind(w, e) {
  for (; e; e = e.parentElement) {
    const c = color(w.getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c;
  }
  return [255, 255, 255];
}
function look() {
  const w = frame.contentWindow, d = w.document, width = frame.clientWidth;
  const out = {outside: [], cut: [], faint: [], texts: 0};
  for (const e of d.querySelectorAll('details')) e.open = true;
  out.width = d.documentElement.scrollWidth;
  out.requests = w.performance.getEntriesByType('resource').map(r => r.name);
  out.background = w.getComputedStyle(d.body).backgroundColor;
  for (const e of d.body.querySelectorAll('*')) {
    const box = e.getBoundingClientRect(), style = w.getComputedStyle(e);
    if (box.width === 0 || e.closest('desc, title')) continue;
    if (e.closest('thead') && w.getComputedStyle(e.closest('thead')).position === 'absolute')
      continue;
    if (box.left < -0.5 || box.right > width + 0.5) out.outside.push(name(e));
    if (e.namespaceURI.endsWith('xhtml') && style.display !== 'inline' &&
        e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0)
      out.cut.push(name(e));
    if (e.tagName === 'text') {
      const svg = e.closest('svg').getBoundingClientRect();
      if (box.left < svg.left - 1 || box.right > svg.right + 1 || box.top < svg.top - 1 ||
          box.bottom > svg.bottom + 1)
        out.cut.push(name(e));
    }
    if ([...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) {
      const fore = luminance(color(e.tagName === 'text' ? style.fill : style.color));
      const back = luminance(behind(w, e));
      const contrast = (Math.max(fore, back) + 0.05) / (Math.min(fore, back) + 0.05);
      out.texts++;
      if (contrast < 4.5) out.faint.push(contrast.toFixed(2) + ' ' + name(e));
    }
  }
  document.body.append(Object.assign(document.createElement('pre'),
      {id: 'result', textContent: JSON.stringify(out)}));
}
frame.addEventListener('load', look);
"""

# The page's own policy would keep the probe out; a test checks the policy by itself.
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def chromium(folder, scheme, height, *more):
    dark = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"]
    light = ["--blink-settings=preferredColorScheme=1"]
    return subprocess.run(
        ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         f"--user-data-dir={folder}/profile", f"--window-size=1400,{height}",
         *(dark if scheme == "dark" else light), *more,
         "file://" + os.path.join(folder, "probe.html")],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120, check=True)


def main():
    page, width, scheme = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if not shutil.which("chromium"):
        sys.exit(77)
    with open(page, encoding="utf-8") as file:
        text = POLICY.sub("", file.read())
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "probe.html"), "w", encoding="utf-8") as file:
            file.write('<!DOCTYPE html><meta charset="utf-8"><style>body{margin:0}iframe{border:0;'
                       f'display:block;width:{width}px;height:2000px}}</style>'
                       f'<iframe srcdoc="{html.escape(text)}"></iframe><script>{PROBE}</script>')
        dom = chromium(folder, scheme, 2000, "--virtual-time-budget=3000", "--dump-dom").stdout
        if len(sys.argv) > 4:
            chromium(folder, scheme, 2000, "--screenshot=" + os.path.abspath(sys.argv[4]))
    found = re.search(r'<pre id="result">(.*?)</pre>', dom.decode(), re.DOTALL)
    if not found:
        sys.exit("look_at_page: the browser gave no answer")
    print(json.dumps(json.loads(html.unescape(found.group(1))), indent=1))


main()
