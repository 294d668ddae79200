import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Declarations, defaultValue } from '../../base.ts'
import { topicKeys } from '../../log.ts'
import { explainConfig, renderExplanation } from './explain.ts'
import { clientMetricsKeys } from './keys/client-metrics-scope.ts'
import { groupKeys } from './keys/group-scope.ts'
import { brokerKeys, keyOf } from './keys.ts'
import { loadBrokerConfig } from './load.ts'
import { parseYaml } from './read-file.ts'

const scopes: Declarations[] = [brokerKeys, topicKeys, groupKeys, clientMetricsKeys]
const root = new URL('../../../', import.meta.url)

test('every key has a sentence, a default that it accepts, and synonyms that exist', () => {
  for (const [name, key] of scopes.flatMap(scope => Object.entries(scope))) {
    assert.match(key.doc, /^[A-Za-z_].{10,}\.$/s, name)
    assert.doesNotThrow(() => defaultValue(name, key), name)
    for (const synonym of key.synonyms) assert.ok(keyOf(synonym.name), `${name} → ${synonym.name}`)
  }
})

test('millrace.example.yaml shows the defaults', () => {
  const parsed = parseYaml(readFileSync(new URL('millrace.example.yaml', root), 'utf8'), 'example')
  assert.ok(typeof parsed !== 'string', String(parsed))
  assert.ok(parsed.size > 10)
  for (const [name, { text }] of parsed) assert.equal(text, keyOf(name)?.default, name)
  const set = Object.fromEntries([...parsed].map(([name, { text }]) => [name, text]))
  assert.deepEqual(loadBrokerConfig({ set }).notes, [])
})

test('explain shows value and source, hides secrets, and shows one key in full', () => {
  const explanation = explainConfig({
    set: {
      'num.partitions': 3,
      'ssl.key.password': 'hunter2',
      'num.io.threads': 4,
      'password.encoder.secret': 'hunter2',
      'zookeeper.ssl.keystore.password': 'hunter2',
      'delegation.token.master.key': 'hunter2',
    },
    environment: { KAFKA_LOG_DIR: '/x' },
  })
  const row = explanation.keys.find(({ key }) => key === 'num.partitions')
  assert.deepEqual([row?.value, row?.source, row?.default, row?.type, row?.dynamic], ['3', 'flag', '1', 'INT', 'read-only'])
  const text = renderExplanation(explanation)
  assert.ok(text.includes('log.dir = /x    # environment KAFKA_LOG_DIR'))
  assert.ok(text.includes('ssl.key.password = [hidden]    # flag'))
  assert.ok(text.includes('note: accepted for compatibility, without effect because one event loop'))
  assert.ok(!JSON.stringify(explanation).includes('hunter2') && !text.includes('hunter2'))
  assert.match(
    renderExplanation(explanation, { prefix: 'num.io.threads' }),
    /Threads that process requests\.\n {2}type int; allowed: a whole number of at least 1; default: 8/,
  )
  assert.equal(renderExplanation(explanation, { prefix: 'zzz' }), 'no key begins with zzz')
})
