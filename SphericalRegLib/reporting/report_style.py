"""How the report looks."""

STYLE = """
body{font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;max-width:1120px;margin:0 auto;padding:16px;
color:#1a1a1a;background:#fff}
h1{font-size:1.6em;margin:.4em 0}h2{font-size:1.2em;margin:1.8em 0 .5em;overflow-wrap:anywhere}
.notice{font-size:.85em;color:#555;border-left:4px solid #bbb;padding-left:10px}
.verdict{border-radius:8px;padding:14px 18px}.verdict strong{font-size:1.4em}.verdict p{margin:.3em 0 0}
.good{background:#e3f4e6;color:#0f4d1d;border:1px solid #2e8b45}
.bad{background:#fde8e6;color:#7a120b;border:1px solid #c8352a}
.partly{background:#fff4d6;color:#5c4300;border:1px solid #c9a227}
.cards{display:flex;flex-wrap:wrap;gap:12px;margin-top:14px}
.cards div{flex:1 1 150px;border:1px solid #ddd;border-radius:8px;padding:10px 14px;color:#555;font-size:.9em}
.cards b{display:block;font-size:1.5em;color:#1a1a1a;white-space:nowrap}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:16px}
figure{margin:0}figure img{width:100%;display:block;background:#000}
figcaption{font-size:.9em;color:#444;padding-top:4px}
img.wide{max-width:100%;height:auto}
table{border-collapse:collapse}td,th{padding:5px 16px 5px 0;border-bottom:1px solid #e2e2e2;text-align:left}
details{margin-top:1.2em}summary{cursor:pointer;font-weight:600;font-size:1.1em}
.facts td{font-size:.9em;vertical-align:top;overflow-wrap:anywhere}.facts td:first-child{white-space:nowrap}
""".strip()
