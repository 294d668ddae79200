import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trustingClock } from '../../base.ts'
import { ReadTurns } from './read-turns.ts'
import { connect, frame, reply, SlowRequests, serve, until } from './server.testing.ts'

test('requests that arrive together are served in slices, first come, first served; one at a time they cost no turn', () => {
  let nowMs = 0
  let soon: (() => void)[] = []
  const clock = trustingClock(
    () => nowMs,
    () => nowMs,
  )
  const turns = new ReadTurns({ clock, timers: { soon: callback => void soon.push(callback), after: () => ({ cancel() {} }) } })
  const served: number[] = []
  const perTurn: number[] = []
  let last = 0
  const arrive = (request: number) => {
    const serveIt = () => {
      served.push(request)
      nowMs += 1
    }
    if (turns.admits(nowMs)) serveIt()
    else turns.wait(serveIt)
  }
  const turn = () => {
    perTurn.push(served.length - last)
    last = served.length
    const due = soon
    soon = []
    for (const callback of due) callback()
  }
  const requests = Array.from({ length: 60 }, (_, n) => n)
  for (const request of requests.slice(0, 50)) arrive(request)
  turn()
  for (const request of requests.slice(50)) arrive(request)
  while (soon.length > 0) turn()
  assert.deepEqual(served, requests)
  assert.ok(Math.max(...perTurn) <= 9, `${Math.max(...perTurn)} in one turn`)
  nowMs += 100
  assert.ok(turns.admits(nowMs))
  assert.equal(soon.length, 1)
  turn()
  for (let n = 0; n < 5; n++) assert.ok(turns.admits((nowMs += 0.1)))
  assert.ok(soon.length <= 1, 'a busy client does not cost a callback for each request')
})

test('hundreds of connections that are readable at once are served in several turns', async () => {
  const slow = new SlowRequests()
  const { port } = await serve(
    () => {
      slow.pass()
      return reply('x')
    },
    {},
    undefined,
    undefined,
    slow.system,
  )
  const clients = await Promise.all(Array.from({ length: 95 }, () => connect(port)))
  for (let round = 1; round <= 3; round++) {
    for (const { socket } of clients) socket.write(frame('a'))
    const began = performance.now()
    while (performance.now() - began < 5);
    await until(() => clients.every(({ received }) => received().length === round))
  }
  assert.ok(slow.most <= 20, `${slow.most} requests of a millisecond in one turn`)
})
