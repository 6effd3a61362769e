/**
 * The program that starts an unpacked artifact, wherever it stands and by whatever link it is called.
 * @param start the project's own start command, whose flags for the engine are those of the artifact
 * @throws Error when that command has no such flags
 */
export function launcher(start: string): string {
  const flags = start.match(/(?<= )--[a-z]\S*/g) ?? []
  if (flags.length === 0) throw new Error(`no flags for the engine in: ${start}`)
  return `#!/bin/sh
# Starts Rodízio with the Node beside it and the flags that keep it small.
set -eu
here=$(dirname "$(dirname "$(readlink -f "$0")")")
# Never below the program: another version would not find it there.
if [ -z "\${RODIZIO_DATA_DIR-}" ] && [ -n "\${HOME-}" ]; then
  export RODIZIO_DATA_DIR="\${XDG_DATA_HOME:-$HOME/.local/share}/rodizio"
fi
exec "$here/runtime/node" ${flags.join(' ')} "$here/dist/rodizio.js" "$@"
`
}
