/** The fast subset of `npm run compat`: a foreign client against a broker in this process. */
import { after, before, test } from 'node:test'
import { cases } from '../../compat/kafkajs/cases.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'

let broker: Millrace
let all: ReturnType<typeof cases>
const config = { 'group.initial.rebalance.delay.ms': '0', 'group.min.session.timeout.ms': '500' }

before(async () => {
  broker = await startBroker({ memory: true, config })
  all = cases(broker.address)
})

after(async () => {
  await all[Symbol.asyncDispose]()
  await broker.close()
})

// Names need no broker: the same cases for an address that is never used.
for (const name of Object.keys(cases('127.0.0.1:1'))) test(`kafkajs: ${name}`, { timeout: 45_000 }, () => all[name]!())
