import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ConfigKey, Declarations } from '../../base.ts'
import { topicKeys } from '../../log.ts'
import { boundKey } from './alter.ts'
import { groupKeys } from './keys/group-scope.ts'
import { brokerKeys } from './keys.ts'

/** Which keys the program reads, as its text says: what is not read anywhere has no effect, and nothing else has none. */
const src = fileURLToPath(new URL('../..', import.meta.url))
const ways = {
  /** The argument of a function that looks it up, or a field of what was looked up. */
  broker: /(?:(?<!\.set|Error|Config)\([^'()\n]*'|\bvalues\['|\bvalues\.)([a-z][a-z0-9.]*)/g,
  group: /\bownOr\(stored, '([a-z][a-z0-9.]*)/g,
  topic: /(?:\bvalues\['|\bvalues\.|\bconfigs\('TOPIC', name\)\.get\(')([a-z][a-z0-9.]*)/g,
}

function keysRead(folder: string, way: RegExp): Set<string> {
  const found = new Set<string>()
  for (const entry of readdirSync(join(src, folder), { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !/(?<!\.test|\.testing)\.ts$/.test(entry.name)) continue
    for (const [, key] of readFileSync(join(entry.parentPath, entry.name), 'utf8').matchAll(way)) found.add(key!)
  }
  return found
}

/** A broker's key is read, too, when a key of topics or groups that is read falls back on it. */
function standIns(declarations: Declarations, read: ReadonlySet<string>): string[] {
  return Object.entries<ConfigKey>(declarations)
    .filter(([name]) => read.has(name))
    .flatMap(([, { synonyms }]) => synonyms.map(({ name }) => name))
}

function compare(declarations: Declarations, read: ReadonlySet<string>): void {
  const keys = Object.entries<ConfigKey>(declarations)
  const readWithoutEffect = keys.filter(([name, key]) => key.accepted !== null && read.has(name)).map(([name]) => name)
  const effectUnread = keys.filter(([name, key]) => key.accepted === null && !read.has(name)).map(([name]) => name)
  assert.deepEqual({ readWithoutEffect, effectUnread }, { readWithoutEffect: [], effectUnread: [] })
}

test('a key is documented as without effect exactly when nothing reads it', () => {
  const topic = new Set([...keysRead('log', ways.topic), ...keysRead('broker/share', ways.topic)])
  const group = keysRead('broker/config', ways.group)
  const bounds = Object.keys(groupKeys).flatMap(name => [boundKey(name, 'min'), boundKey(name, 'max')])
  // The command line reads those of the services, and `formats` that of the providers.
  const readByName = ['broker', 'cli/services', 'formats'].flatMap(folder => [...keysRead(folder, ways.broker)])
  const broker = new Set([...readByName, ...standIns(topicKeys, topic), ...standIns(groupKeys, group), ...bounds])
  compare(topicKeys, topic)
  compare(groupKeys, group)
  compare(brokerKeys, broker)
})
