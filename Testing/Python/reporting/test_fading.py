"""Fading and blinking in the report: the page's own script, in Chromium without a window, by clicking."""

import html
import re
import shutil
import subprocess

import pytest

from SphericalRegLib.reporting import fading

CHROMIUM = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), None)
BLACK, WHITE = (
    "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw==",
    "data:image/gif;base64,R0lGODlhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs=",
)
# What a reader does, and what the page is then; it is written into the page's title.
CLICKS = """
window.addEventListener("load", function () {
  var told = [], box = document.querySelector(".fade"), above = box.querySelector(".above");
  var slider = box.querySelector("input"), blink = box.querySelector("button");
  function tell() { told.push(above.style.opacity); }
  told.push(String(box.hidden));
  told.push(box.querySelector(".below").src.slice(-8) + above.src.slice(-8));
  tell();
  slider.value = 20; slider.dispatchEvent(new Event("input")); tell();
  blink.click(); tell(); told.push(blink.getAttribute("aria-pressed"));
  setTimeout(function () {
    tell();
    blink.click(); tell(); told.push(blink.getAttribute("aria-pressed"));
    var choice = document.querySelectorAll("nav.views button");
    told.push(Array.prototype.map.call(choice, function (one) { return one.textContent; }).join(","));
    if (choice.length) { choice[2].click(); }
    told.push(Array.prototype.map.call(document.querySelectorAll("section.view"), function (one) {
      return one.hidden ? "hidden" : "shown"; }).join(","));
    document.title = told.join("|");
  }, 900);
});
"""


def page(count):
    view = (
        f'<section class="view">{fading.FADING}<figure><img alt="X-ray" src="{BLACK}"></figure>'
        f'<figure><img alt="DRR" src="{WHITE}"></figure></section>'
    )
    return (
        f"<!DOCTYPE html><html><head><title>before</title><style>{fading.STYLE}</style></head><body>{fading.CHOICE}"
        f"{view * count}<script>{fading.SCRIPT}</script><script>{CLICKS}</script></body></html>"
    )


def told_by(path):
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"),
        f"--user-data-dir={path.parent / 'profile'}",
        path.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return html.unescape(re.search(r"<title>(.*?)</title>", done.stdout).group(1)).split("|")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not there")
@pytest.mark.parametrize("count", [1, 2])
def test_a_reader_fades_blinks_and_chooses_a_view(tmp_path, count):
    path = tmp_path / "report.html"
    path.write_text(page(count), encoding="utf-8")
    told = told_by(path)
    assert told[:2] == ["false", BLACK[-8:] + WHITE[-8:]]
    # half, a fifth, blinking: the DRR, the X-ray, and back where the slider is
    assert told[2:9] == ["0.5", "0.2", "1", "true", "0", "0.2", "false"]
    if count == 1:
        assert told[9:] == ["", "shown"]
    else:
        assert told[9:] == ["All views,View 1,View 2", "hidden,shown"]


def test_it_needs_no_network_and_nothing_but_the_page():
    for text in (fading.SCRIPT, fading.STYLE, fading.FADING):
        assert not re.search(r"https?:|//|import |url\(|fetch", text)
