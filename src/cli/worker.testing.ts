/**
 * A process that runs command lines one after another, as it is told by its parent: what a test asks for dozens of times should not
 * start Node each time. What a command prints goes to the parent.
 */
import { Readable } from 'node:stream'
import type { Answer, Order } from '../../test/support/cli-runner.ts'
import { run } from './program.ts'

let last = Promise.resolve()
process.stdout.setMaxListeners(0)
process.stderr.setMaxListeners(0)
process.on('message', (order: Order) => {
  last = last.then(() => obey(order)).then(answer => void process.send!(answer))
})

async function obey({ id, args, env, input }: Order): Promise<Answer> {
  for (const name of Object.keys(process.env)) if (name.startsWith('MILLRACE_')) delete process.env[name]
  Object.assign(process.env, env)
  const printed = { out: '', err: '' }
  const into = (name: 'out' | 'err') => (chunk: string | Uint8Array) => {
    printed[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
    return true
  }
  process.stdout.write = into('out')
  process.stderr.write = into('err')
  Object.defineProperty(process, 'stdin', { configurable: true, value: Readable.from([Buffer.from(input)]) })
  process.exitCode = 0
  await run([process.execPath, 'millrace', ...args])
  const code = Number(process.exitCode)
  process.exitCode = 0
  return { id, code, ...printed }
}
