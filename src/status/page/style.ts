/** For light and dark, from the width of a phone on. Nothing is loaded from elsewhere. */
export const style = `
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --warn: #9a6700; --bad: #cf222e; --dim: #6e7781; }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --warn: #d29922; --bad: #f85149; --dim: #8b949e; } }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 75rem; padding: 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; color: var(--dim); }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } .good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); } .dim { color: var(--dim); }
svg { display: block; width: 10rem; height: .8rem; } rect { fill: currentColor; }
.calendar { display: grid; grid-template-columns: repeat(auto-fill, minmax(6rem, 1fr)); gap: .3rem; list-style: none; padding: 0; }
.calendar li { border: 1px solid var(--line); border-radius: .3rem; padding: .3rem .5rem; } .calendar b { display: block; font-size: 1.2rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; }
@media (max-width: 40rem) {
  .rows thead { position: absolute; clip-path: inset(50%); height: 1px; width: 1px; overflow: hidden; }
  .rows tr, .rows td, .rows th { display: block; border: 0; padding: .1rem 0; } .rows tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
}
`;
