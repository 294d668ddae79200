/** With a real server, if MILLRACE_POSTGRES_URL names one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from 'pg'
import { realSystem } from '../../base.ts'
import { openDatabase } from '../database/database.ts'
import { postgres } from './postgres.ts'
import { namedByFrame } from './transact.ts'

const { MILLRACE_POSTGRES_URL: realUrl } = process.env
const skip = realUrl === undefined && 'set MILLRACE_POSTGRES_URL to run it against a real PostgreSQL'

test('PostgreSQL: whether a frame names an object is answered by an index', { skip }, async () => {
  const system = realSystem()
  const schema = `named_${process.pid}`
  const url = `${realUrl}${realUrl!.includes('?') ? '&' : '?'}schema=${schema}`
  const database = openDatabase({ system, connect: postgres({ system, url, environment: process.env, graceMs: 200 }) })
  await database.start('00000000-0000-4000-8000-000000000001')
  await database.close()
  const client = new Client({ connectionString: realUrl! })
  await client.connect()
  try {
    // Of a few rows, it would read all.
    await client.query(`set search_path to "${schema}"; set enable_seqscan to off`)
    const { rows } = await client.query(`explain select ${namedByFrame('asked.object')} from unnest(array['a', 'b']) as asked(object)`)
    assert.match(JSON.stringify(rows), /Index Scan on frame_objects/)
  } finally {
    await client.query(`drop schema "${schema}" cascade`)
    await client.end()
  }
})
