"""What lets a report's reader fade and blink between X-ray and DRR, and look at one view: a script within the page.

It takes the pictures that the page holds already, so the page grows by nothing but this text, and needs no network.
Without scripts the page is as it was.
"""

FADING = """
<div class="fade" hidden><div class="stack"><img class="below" alt="X-ray, faded"><img class="above" alt="DRR, faded">
</div><label>X-ray <input type="range" min="0" max="100" value="50" aria-label="from X-ray to DRR"> DRR</label>
<button type="button" aria-pressed="false">Blink</button></div>
""".strip().replace("\n", "")

CHOICE = '<nav class="views" hidden></nav>'

STYLE = """
.stack{position:relative;max-width:640px;background:#000}.stack img{width:100%;display:block}
.stack .above{position:absolute;inset:0}.fade{margin:0 0 16px}
.fade label{display:inline-flex;gap:8px;margin:8px 12px 0 0}
.fade input{width:260px}.views button,.fade button{font:inherit;padding:4px 12px;cursor:pointer}
.views{display:flex;gap:8px;margin-top:1.4em}.views [aria-pressed=true],.fade [aria-pressed=true]{font-weight:700}
""".strip()

SCRIPT = """
(function () {
  "use strict";
  var views = Array.prototype.slice.call(document.querySelectorAll("section.view"));
  views.forEach(function (view) {
    var xray = view.querySelector('img[alt="X-ray"]'), drr = view.querySelector('img[alt="DRR"]');
    var box = view.querySelector(".fade");
    if (!xray || !drr || !box) { return; }
    var above = box.querySelector(".above"), slider = box.querySelector("input"), blink = box.querySelector("button");
    var timer = null;
    box.querySelector(".below").src = xray.src;
    above.src = drr.src;
    function fade() { above.style.opacity = slider.value / 100; }
    function stop() {
      if (timer) { clearInterval(timer); }
      timer = null;
      blink.setAttribute("aria-pressed", "false");
    }
    slider.addEventListener("input", function () { stop(); fade(); });
    blink.addEventListener("click", function () {
      if (timer) { stop(); fade(); return; }
      blink.setAttribute("aria-pressed", "true");
      above.style.opacity = 1;
      timer = setInterval(function () { above.style.opacity = above.style.opacity === "1" ? 0 : 1; }, 600);
    });
    fade();
    box.hidden = false;
  });
  var choice = document.querySelector("nav.views");
  if (!choice || views.length < 2) { return; }
  function show(which) {
    views.forEach(function (view, index) { view.hidden = which >= 0 && index !== which; });
    Array.prototype.forEach.call(choice.children, function (button, index) {
      button.setAttribute("aria-pressed", String(index === which + 1));
    });
  }
  var texts = ["All views"].concat(views.map(function (_, index) { return "View " + (index + 1); }));
  texts.forEach(function (text, index) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.addEventListener("click", function () { show(index - 1); });
    choice.appendChild(button);
  });
  choice.hidden = false;
  show(-1);
})();
""".strip()
