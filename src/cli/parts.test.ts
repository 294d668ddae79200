import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import type { Client } from '../client.ts'
import { printCompletion } from './completion.ts'
import { bytesFromJson, bytesToJson, plural, size, table, time, toJson } from './output.ts'
import { parsePosition, resolvePosition } from './position.ts'
import { readLines } from './produce.ts'
import { makeProgram } from './program.ts'

const now = Date.parse('2026-01-31T12:00:00Z')

test('positions', () => {
  assert.equal(parsePosition('beginning', now), 'earliest')
  assert.equal(parsePosition('latest', now), 'latest')
  assert.deepEqual(parsePosition('9223372036854775807', now), { offset: 2n ** 63n - 1n })
  assert.deepEqual(parsePosition('-10', now), { beforeEnd: 10n })
  assert.deepEqual(parsePosition('15m', now), { timestampMs: BigInt(now - 900_000) })
  assert.deepEqual(parsePosition('2026-01-31T11:00Z', now), { timestampMs: BigInt(now - 3_600_000) })
  assert.deepEqual(parsePosition('2026-01-31', now), { timestampMs: BigInt(now - 12 * 3_600_000) })
  for (const bad of ['', 'soon', '1.5', '15x', '2026-13-01', '+1'])
    assert.throws(() => parsePosition(bad, now), /is not a valid position/, bad)
})

test('offsets stay within what the partition holds', async () => {
  const client = {
    offsets: async (_topic: string, partitions: number[], query: string) =>
      new Map(partitions.map(p => [p, query === 'earliest' ? 5n : 9n])),
  } as unknown as Client
  const at = async (text: string) => (await resolvePosition(client, 't', [0], parsePosition(text, now))).get(0)
  assert.deepEqual([await at('0'), await at('7'), await at('100')], [5n, 7n, 9n])
  assert.deepEqual([await at('-1'), await at('-100'), await at('beginning'), await at('end')], [8n, 5n, 5n, 9n])
})

test('JSON keeps every digit of an int64', () => {
  assert.equal(toJson({ offset: 2n ** 63n - 1n, none: null }), '{"offset":9223372036854775807,"none":null}')
})

test('times that people can read, and those that no calendar has', () => {
  assert.equal(time(1_700_000_000_000), '2023-11-14T22:13:20.000Z')
  assert.deepEqual([time(null), time(-1), time(-(2n ** 60n))], [null, null, null])
  assert.deepEqual([time(2n ** 60n + 1n), time(8.64e15)], ['1152921504606846977', '+275760-09-13T00:00:00.000Z'])
})

test('bytes survive JSON', () => {
  for (const bytes of [Buffer.from('text ü'), Buffer.from([0xff, 0x00]), Buffer.alloc(0), null]) {
    assert.deepEqual(bytesFromJson(JSON.parse(toJson(bytesToJson(bytes))), 'value'), bytes)
  }
  assert.throws(() => bytesFromJson(5, 'line 1: value'), /line 1: value must be/)
})

test('lines are cut where they end, however the input is cut', async () => {
  const text = Buffer.from('one\n\ntwo\r\nthree')
  for (let size = 1; size <= text.length; size++) {
    async function* chunks() {
      for (let at = 0; at < text.length; at += size) yield text.subarray(at, at + size)
    }
    const lines: string[] = []
    for await (const some of readLines(chunks())) lines.push(...some.map(String))
    assert.deepEqual(lines, ['one', '', 'two\r', 'three'], `pieces of ${size}`)
  }
})

test('tables', () => {
  assert.equal(
    table(
      ['NAME', 'LAG'],
      [
        ['a', 5n],
        ['long', null],
      ],
    ),
    'NAME  LAG\na       5\nlong    -\n',
  )
  assert.deepEqual([0n, 999n, 1000n, 10n * 2n ** 20n, 5n * 2n ** 40n].map(size), ['0 B', '999 B', '0.977 KiB', '10.0 MiB', '5.00 TiB'])
  assert.equal(plural(1n, 'record'), '1 record')
  assert.equal(plural(2, 'record'), '2 records')
  assert.equal(plural(0, 'batch'), '0 batches')
})

test('bash completes commands, options and choices', async t => {
  let script = ''
  t.mock.method(process.stdout, 'write', (text: string) => {
    script += text
    return true
  })
  await printCompletion(makeProgram(), 'bash')
  t.mock.restoreAll()
  const complete = (...words: string[]) => {
    const typed = ['millrace', ...words].map(word => `'${word}'`).join(' ')
    const ask = `${script}\nCOMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _millrace; echo "\${COMPREPLY[*]}"`
    return execFileSync('bash', ['-c', ask], { encoding: 'utf8' }).trim().split(' ')
  }
  assert.deepEqual(complete('top'), ['topic', 'top'])
  assert.deepEqual(complete('acl', 'add', '--transactional'), ['--transactional-id'])
  assert.deepEqual(complete('topic', 'de'), ['describe', 'delete'])
  assert.deepEqual(complete('topic', 'create', 'x', '--part'), ['--partitions'])
  assert.deepEqual(complete('completion', 'z'), ['zsh'])
  // The cluster is asked with the connection that was typed; names that a shell would expand are left out.
  const cluster = `millrace() {
    case "$*" in
      'topic list') printf '%s\\n' orders other ;;
      'topic list -b far:1 --tls') echo far-away ;;
      'group list') printf 'GROUP  STATE\\nreaders  Empty\\n$(touch /tmp/evil)  Empty\\n' ;;
    esac
  }
`
  script = cluster + script
  assert.deepEqual(complete('topic', 'describe', 'o'), ['orders', 'other'])
  assert.deepEqual(complete('topic', 'create', 'o'), [''])
  assert.deepEqual(complete('consume', '-b', 'far:1', '--tls', 'f'), ['far-away'])
  assert.deepEqual(complete('config', 'get', 'topic', 'or'), ['orders'])
  assert.deepEqual(complete('config', 'get', 'broker', 'or'), [''])
  assert.deepEqual(complete('group', 'delete', 'r'), ['readers'])
  assert.deepEqual(complete('acl', 'add', '--group', 'r'), ['readers'])
  assert.deepEqual(complete('acl', 'add', '--topic', 'orders', '--pr'), ['--principal', '--prefixed', '--producer'])
})
