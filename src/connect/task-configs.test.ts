import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineSource, password, string } from '../connector.ts'
import { makeTaskConfigs } from './task-configs.ts'

const reference = ['$', '{env:TOKEN}'].join('')
const definition = (tasks: (values: { token: string | null; url: string }) => unknown) =>
  defineSource({
    ...{ name: 'x', version: '1', summary: 'x' },
    config: { token: password({ doc: 'x' }), url: string({ default: '', doc: 'x' }) },
    tasks: (async (values: { token: string | null; url: string }) => tasks(values)) as never,
    open: async () => ({}) as never,
  })

test('what a provider gave is not stored, also where a connector has made it a part of another value', async () => {
  const given = { name: 'x', 'connector.class': 'x', 'tasks.max': '2', token: reference }
  const made = await makeTaskConfigs(
    definition(({ token }) => [{ token, at: `http://u:${token}@h` }, { other: 'o' }]),
    given,
    { ...given, token: 'geheim' },
  )
  assert.deepEqual(
    made.map(each => [each['token'], each['at'], each['other']]),
    [
      [reference, `http://u:${reference}@h`, undefined],
      [reference, undefined, 'o'],
    ],
  )
})

test('tasks that are none are refused', async () => {
  const given = { name: 'x', 'connector.class': 'x' }
  for (const [made, words] of [
    [undefined, /tasks of the connector has given undefined instead/],
    [[null], /null as configuration 0/],
    [[{ count: 5 }], /has 5 as count, which is to be a string/],
    [[{}, {}], /has generated 2 tasks/],
  ] as const)
    await assert.rejects(
      makeTaskConfigs(
        definition(() => made),
        given,
        given,
      ),
      words,
    )
})
