import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const skipped = /^(?:node_modules|dist|\.git|\.cache)(?:\/|$)/

function filesOf(extension: RegExp): string[] {
  const found: string[] = []
  const walk = (folder: string) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (skipped.test(path)) continue
      if (entry.isDirectory()) walk(path)
      else if (entry.isFile() && extension.test(entry.name)) found.push(path)
    }
  }
  walk('')
  return found.sort()
}

/** As GitHub makes them. */
function anchors(path: string): Set<string> {
  const headings = readFileSync(path, 'utf8').matchAll(/^#{1,6} (.+)$/gm)
  return new Set(Array.from(headings, ([, title]) => slug(title!)))
}

function slug(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

test('links in documents lead to files and headings that exist', () => {
  const broken: string[] = []
  for (const path of filesOf(/\.md$/)) {
    for (const [, target] of readFileSync(join(root, path), 'utf8').matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue
      const [file, anchor] = target!.split('#') as [string, string | undefined]
      const at = file === '' ? join(root, path) : join(root, dirname(path), file)
      if (!existsSync(at)) broken.push(`${path}: ${target}`)
      else if (anchor !== undefined && !anchors(at).has(anchor)) broken.push(`${path}: ${target} (no such heading)`)
    }
  }
  assert.deepEqual(broken, [])
})

test('comments and documents only name files that exist in the repository', () => {
  const broken: string[] = []
  // And files that readers write themselves: functions for triggers, and connectors.
  const written = ['orders.ts', 'upper.ts', 'shout.ts', 'shout.test.ts', 'feed.ts']
  const names = new Set([...filesOf(/\.(?:md|ts)$/).map(path => basename(path)), ...written])
  for (const path of filesOf(/\.(?:ts|js|md|yaml|service)$|^Dockerfile$/)) {
    // They invent names.
    if (path === 'scripts/links.test.ts' || path === 'scripts/tidy.test.ts' || path === 'test/package.test.ts') continue
    const text = readFileSync(join(root, path), 'utf8')
    for (const [mention] of text.matchAll(
      /(?<![\w/.-])(?:src|test|docs|packaging|scripts|compat|bench|sim)\/[\w./-]*\w\.(?:md|ts|service|yaml)\b/g,
    )) {
      // `x` stands for any name.
      if (!/\/x\.ts$/.test(mention) && !existsSync(join(root, mention)) && !existsSync(join(root, dirname(path), mention)))
        broken.push(`${path}: ${mention}`)
    }
    // Without a folder it is the name of a file in any.
    for (const [mention] of text.matchAll(/(?<![\w/.$*-])\w[\w-]*(?:\.\w+)?\.(?:md|ts)\b/g)) {
      if (!/^x\./i.test(mention) && !names.has(mention)) broken.push(`${path}: ${mention}`)
    }
    for (const [mention, number] of text.matchAll(/\bADR (\d{4})\b/g)) {
      if (!readdirSync(join(root, 'docs/adr')).some(name => name.startsWith(`${number}-`))) broken.push(`${path}: ${mention}`)
    }
    for (const [mention] of text.matchAll(/\bDESIGN\b|\b(?:CLUSTER|SERVICES)\.md\b|\.\.\/shared\/[\w-]+/g)) {
      const named = join(root, dirname(path), mention)
      if (!existsSync(named) && !existsSync(`${named}.ts`)) broken.push(`${path}: ${mention}`)
    }
  }
  assert.deepEqual(broken, [])
})
