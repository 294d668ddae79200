import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSource, TestContext } from '../../connector-testing.ts'
import { FakeServer } from '../postgresql-cdc/server.testing.ts'
import { jdbcSource } from './source.ts'

const first = '2026-11-30 10:00:00.123456'

test('a source that begins now goes on from there when it is started again before its first record', async () => {
  let now = first
  const asked: (string | null)[][] = []
  const server = await FakeServer.start((sql, values) => {
    if (sql.startsWith('SELECT CURRENT_TIMESTAMP')) return [{ now: `${now}+00` }]
    if (sql.startsWith('select format_type')) return [{ type: 'timestamp with time zone' }]
    if (sql.startsWith('SELECT * FROM')) asked.push([...values])
    return []
  })
  const context = new TestContext()
  for (now of [first, '2026-11-30 11:00:00.000000']) {
    const { task } = await openSource(
      jdbcSource,
      {
        ...{ 'connection.url': `jdbc:postgresql://127.0.0.1:${server.port}/lab?sslmode=disable`, 'connection.user': 'me' },
        ...{ mode: 'timestamp', 'timestamp.column.name': 'at', 'validate.non.null': 'false', 'poll.interval.ms': '10' },
        ...{ 'timestamp.initial': '-1', 'topic.prefix': 'shop-', 'task.tables': 'public.orders' },
      },
      context,
    )
    assert.deepEqual(await task.poll(), [])
    await task.close()
  }
  server.close()
  assert.deepEqual(
    asked.map(([, after]) => after),
    [`${first}+00:00`, `${first}+00:00`],
  )
})
