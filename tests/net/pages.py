# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A page whose parts come from all three pools, and which finds out itself which of them are right.

Part k of the page with nonce N has the nonce N-k. Parts are scripts, style sheets, images and calls of an API (GET and POST).
"""
KINDS = ("js", "css", "svg", "get", "post")
PLACES = (("A", "/page"), ("B", "/static"), ("C", "/api"))
TYPES = {"page": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
DONE = "all is right"


def parts(nonce, count):
    """[(kind, pool, target, nonce)]"""
    found = []
    for k in range(count):
        kind, (pool, prefix) = KINDS[k // 3 % len(KINDS)], PLACES[k % 3]
        do = kind if kind in TYPES else "plain"
        found.append((kind, pool, f"{prefix}/x?do={do}&n={nonce}-{k}", f"{nonce}-{k}"))
    return found


def tag(kind, target, nonce):
    target = target.replace("&", "&amp;")
    return {"js": f'<script src="{target}"></script>', "css": f'<link rel="stylesheet" href="{target}"><i id="{nonce}"></i>',
            "svg": f'<img id="{nonce}" src="{target}">'}.get(kind, "")


def page(nonce, count):
    all_parts = parts(nonce, count)
    tags = "\n".join(tag(kind, target, part) for kind, _, target, part in all_parts)
    wanted = [[kind, pool, target, part] for kind, pool, target, part in all_parts]
    return f"""<!DOCTYPE html><html><head><link rel="icon" href="data:,"><script>
const seen = {{}}, wanted = {wanted};
function said(pool, nonce) {{ seen[nonce] = pool; }}
</script></head><body><p id="verdict">in vain waited</p>
{tags}
<script>
async function call(kind, target) {{
    const body = await (await fetch(target, kind == "post" ? {{method: "POST", body: "order"}} : {{}})).text();
    return [body.match(/pool=(.)/)[1], body.match(/nonce=([^ ]*)/)[1]];
}}
const of_color = {{"rgb(1, 1, 1)": "A", "rgb(2, 2, 2)": "B", "rgb(3, 3, 3)": "C"}}, of_width = {{11: "A", 12: "B", 13: "C"}};
async function judge() {{
    await Promise.all(wanted.filter(w => w[0] == "get" || w[0] == "post").map(async w => {{
        try {{ const [pool, nonce] = await call(w[0], w[2]); if (nonce == w[3]) seen[nonce] = pool; }} catch (error) {{ seen[w[3]] = error; }}
    }}));
    for (const [kind, , , nonce] of wanted) {{
        if (kind == "css") seen[nonce] = of_color[getComputedStyle(document.getElementById(nonce)).color];
        if (kind == "svg") seen[nonce] = of_width[document.getElementById(nonce).naturalWidth];
    }}
    const wrong = wanted.filter(w => seen[w[3]] != w[1]).map(w => w[0] + " " + w[2] + ": " + seen[w[3]]);
    document.getElementById("verdict").textContent = wrong.length ? "wrong: " + wrong.join("; ") : "{DONE}";
}}
addEventListener("load", judge);
</script></body></html>
"""


def body(kind, pool, nonce, count):
    number = "ABC".index(pool) + 1
    return {"page": lambda: page(nonce, count), "js": lambda: f"said('{pool}', '{nonce}');\n",
            "css": lambda: f"#{nonce} {{ color: rgb({number}, {number}, {number}); }}\n",
            "svg": lambda: f'<svg xmlns="http://www.w3.org/2000/svg" width="1{number}" height="5"></svg>\n'}[kind]().encode()
