import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type MillraceOptions, startBroker } from '../millrace.ts'

test('options that do not exist are errors, because a misspelled one could write files', async () => {
  const cases: [unknown, RegExp][] = [
    [{ memry: true }, /unknown option memry of startBroker\. Did you mean memory\?/],
    [{ memory: true, 'num.partitions': 3 }, /unknown option num\.partitions of startBroker; configuration keys belong in `config`/],
    [{ memory: true, whatever: 1 }, /the options are memory, directory, /],
    [null, /must be an object/],
    [9092, /must be an object/],
  ]
  for (const [options, message] of cases) await assert.rejects(startBroker(options as MillraceOptions), { name: 'TypeError', message })
})
