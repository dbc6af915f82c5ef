"""Puts the demo page of `js/` on the site, with the dispatcher and the runtime that it loads.

The runtime is there after `npm ci` in js/; without it the page says so.
"""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
SHOWN = (
    "js/demo/**/*.*",
    "js/src/**/*.js",
    "js/node_modules/@litertjs/*/dist/index.js",
    "js/node_modules/@litertjs/core/wasm/litert_wasm_internal.*",
    "js/node_modules/@litertjs/core/wasm/litert_wasm_compat_internal.*",  # of older browsers
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for pattern in SHOWN:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files
