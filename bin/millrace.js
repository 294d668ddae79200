#!/usr/bin/env node
/**
 * The installed command. In the published package it runs the compiled program; in a checkout it runs the sources, with the Node that
 * `npm ci` brought when the one at hand is too old for them. Plain JavaScript that any Node can parse, so that an old one gets a sentence.
 */
import { spawnSync } from 'node:child_process'
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
  const { status, error } = spawnSync(ownNode, [sources, ...process.argv.slice(2)], { stdio: 'inherit' })
  if (error !== undefined) throw error
  process.exitCode = status ?? 1
} else {
  console.error(`millrace: Node.js 22.18 or newer is needed, this is ${process.versions.node}`)
  process.exitCode = 1
}
