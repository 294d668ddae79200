#!/usr/bin/env node
/**
 * The installed command. In the published package it runs the compiled program; in a checkout it runs the sources, with the Node that
 * `npm ci` installed if the current one is too old. It is plain JavaScript, so that an old Node can parse it and print a clear error.
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
  console.error(`millrace: Node.js 22.18 or newer is required; this is ${process.versions.node}`)
  process.exitCode = 1
}

/** Runs the program in another Node: forwards signals and exits with its exit code. */
function runWith(node) {
  // If the parent is a shell of npm, the program watches that shell (src/cli/stop.ts).
  const env = { ...process.env, MILLRACE_PARENT: String(process.ppid) }
  const child = spawn(node, [sources, ...process.argv.slice(2)], { stdio: 'inherit', env })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']
  const passOn = signal => child.kill(signal)
  for (const signal of signals) process.on(signal, passOn)
  child.on('error', error => {
    console.error(`millrace: cannot run ${node}: ${error.message}`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    for (const each of signals) process.off(each, passOn)
    if (signal === null) process.exitCode = code
    else process.kill(process.pid, signal)
  })
}
