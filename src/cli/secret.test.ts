import assert from 'node:assert/strict'
import { createInterface } from 'node:readline/promises'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { answerTo } from './secret.ts'

test('Ctrl-C and Ctrl-D cancel a question; a line answers it', async () => {
  for (const [keys, outcome] of [
    ['\x03', 'cancelled'],
    ['\x04', 'cancelled'],
    ['yes\r', null],
  ] as const) {
    const input = new PassThrough()
    const lines = createInterface({ input, output: new PassThrough(), terminal: true })
    const answer = answerTo(lines, 'Really? ')
    input.write(keys)
    if (outcome === null) assert.equal(await answer, 'yes')
    else await assert.rejects(answer, { name: 'CommandFailed', message: outcome })
    lines.close()
  }
})
