/** The frames of upkeep come one after the other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Writes } from '../../../store.ts'
import type { RowJournal } from './ports.ts'
import { RowWriter } from './row-writer.ts'

function setting() {
  const events: string[] = []
  const frames: Writes[] = []
  const settle: (() => void)[] = []
  const journal: RowJournal = {
    session: 1,
    ended: null,
    lastSeq: 0,
    liveBrokers: 1,
    counts: { bytes: 0, objectBytes: 0 },
    write(_, __, make) {
      frames.push(make(frames.length + 1))
      return new Promise(resolve => settle.push(() => resolve('committed')))
    },
  }
  const rows = new RowWriter(journal)
  const commit = (name: string) => {
    const make = () => {
      events.push(`make ${name}`)
      return { trimBelow: 1 }
    }
    return rows.commit(make, () => events.push(`apply ${name}`))
  }
  /** All that can happen by itself has happened. */
  const idle = async () => {
    for (let turn = 0; turn < 20; turn++) await null
  }
  return { rows, events, frames, settle, commit, idle }
}

test('a frame is made when the one before was committed and applied, also those that others make', async () => {
  const { rows, events, settle, commit, idle } = setting()
  const first = commit('a')
  const other = rows.alone(async () => void events.push('other'))
  const second = commit('b')
  await idle()
  assert.deepEqual(events, ['make a'])
  settle[0]!()
  await Promise.all([first, other])
  await idle()
  assert.deepEqual(events, ['make a', 'apply a', 'other', 'make b'])
  settle[1]!()
  await second
})

test('a frame that cannot be made goes empty, and the next one is made', async () => {
  const { rows, frames, settle, commit, idle } = setting()
  const fail = () => {
    throw new Error('no')
  }
  const failed = rows.commit(fail, () => assert.fail('nothing was written'))
  await idle()
  settle[0]!()
  await assert.rejects(failed, /no/)
  const next = commit('b')
  await idle()
  settle[1]!()
  await next
  assert.deepEqual(frames, [{}, { trimBelow: 1 }])
})
