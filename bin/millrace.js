#!/bin/sh
':' //; node="$(dirname -- "$(readlink -f -- "$0")")/../node_modules/.bin/node"; [ -x "$node" ] || node=node; exec "$node" "$0" "$@"
/**
 * The installed command. In the published package it runs the compiled program; in a checkout it runs the sources, with the Node that
 * `npm ci` installed. It is plain JavaScript, so that an old Node can parse it and print a clear error.
 *
 * Run by itself it is a shell script, whose second line becomes that Node: so whoever starts it knows the process id of the program, and can
 * kill or pause it. `node bin/millrace.js` with an old Node cannot do that, and has to run the program in a second process.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const at = path => fileURLToPath(new URL(path, import.meta.url))
const [major, minor] = process.versions.node.split('.').map(Number)
const newEnough = major > 22 || (major === 22 && minor >= 18)
const sources = at('../src/cli.ts')
const ownNode = at('../node_modules/.bin/node')

if (newEnough) {
  await import(existsSync(sources) ? '../src/cli.ts' : '../dist/cli.js')
} else if (existsSync(sources) && existsSync(ownNode)) {
  runWith(ownNode)
} else {
  const advice = existsSync(sources) ? '; npm ci installs one into node_modules' : ''
  console.error(`millrace: Node.js 22.18 or newer is required; this is ${process.versions.node}${advice}`)
  process.exitCode = 1
}

/** Runs the program in another Node: forwards signals and exits with its exit code. */
function runWith(node) {
  // If the parent is a shell of npm, the program watches that shell, and it follows this process in what cannot be forwarded (src/cli/stop.ts).
  const env = { ...process.env, MILLRACE_PARENT: String(process.ppid), MILLRACE_LAUNCHER: String(process.pid) }
  const child = spawn(node, [sources, ...process.argv.slice(2)], { stdio: 'inherit', env })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']
  const passOn = signal => child.kill(signal)
  for (const signal of signals) process.on(signal, passOn)
  // Twice, because it may have seen a moment ago that this process is paused.
  const goOn = () => [0, 500].forEach(ms => setTimeout(() => child.kill('SIGCONT'), ms))
  process.on('SIGCONT', goOn)
  child.on('error', error => {
    console.error(`millrace: cannot run ${node}: ${error.message}`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    for (const each of signals) process.off(each, passOn)
    process.off('SIGCONT', goOn)
    if (signal === null) process.exitCode = code
    else process.kill(process.pid, signal)
  })
}
