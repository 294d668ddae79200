import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ageOf, type ClockHistory } from './clock-history.ts'
import { memoryFileSystem } from './memory-file-system.ts'
import { realSystem, type System, trustingClock } from './system.ts'
import { watchClock } from './watched-clock.ts'

const hour = 3_600_000
const day = 24 * hour
const year = 365 * day
const start = Date.UTC(2026, 0, 1)

/** A machine whose wall clock can be moved; runs of one broker on it share a disk. */
function machine() {
  const files = memoryFileSystem()
  let wallMs = start
  let monotonic = 0
  const timers: { at: number; callback: () => void }[] = []
  const jumps: number[] = []
  const failures: string[] = []
  const system: System = {
    ...realSystem(files),
    clock: trustingClock(
      () => Math.floor(wallMs),
      () => monotonic,
    ),
    timers: {
      after(delayMs, callback) {
        const timer = { at: monotonic + delayMs, callback }
        timers.push(timer)
        return { cancel: () => void timers.splice(timers.indexOf(timer), 1) }
      },
      soon: callback => setImmediate(callback),
    },
  }
  const pass = (ms: number) => {
    for (let left = ms; left > 0; ) {
      const step = Math.min(left, 10_000)
      wallMs += step
      monotonic += step
      left -= step
      for (const timer of timers.filter(({ at }) => at <= monotonic)) {
        timers.splice(timers.indexOf(timer), 1)
        timer.callback()
      }
    }
  }
  return {
    files,
    jumps,
    failures,
    now: () => Math.floor(wallMs),
    jump: (ms: number) => void (wallMs += ms),
    pass,
    run: () =>
      watchClock({
        system,
        path: '/clock.json',
        onJump: ms => void jumps.push(ms),
        onFailure: error => void failures.push(error.message),
      }),
    /** What was written stays; nothing is noted at the end. */
    async crash() {
      await new Promise(resolve => setImmediate(resolve))
      timers.splice(0)
    },
  }
}

test('without a jump the age is what the clock says, for any stamp', async () => {
  const { run, now, pass, jumps } = machine()
  const clock = await run()
  const stamp = now()
  pass(3 * day)
  assert.equal(ageOf(stamp, clock.history()), 3 * day)
  assert.equal(ageOf(stamp - 10 * year, clock.history()), 3 * day + 10 * year)
  assert.equal(ageOf(stamp + 4 * day, clock.history()), -day)
  assert.equal(ageOf(2n ** 62n, clock.history()) < 0, true)
  await clock.close()
  assert.deepEqual(jumps, [])
})

for (const [what, jumpMs] of [
  ['8 days ahead', 8 * day],
  ['a year behind', -year],
  ['an hour ahead', hour],
] as const)
  test(`a jump ${what}, and back after 3 days: everything has its true age, then and meanwhile`, async () => {
    const { run, now, pass, jump, jumps } = machine()
    const clock = await run()
    const before = now()
    const age = (stamp: number) => ageOf(stamp, clock.history())
    const near = (stamp: number, ms: number) => assert.ok(Math.abs(age(stamp) - ms) <= 10_000, `${age(stamp)} instead of ${ms}`)
    pass(2 * hour)
    jump(jumpMs)
    const meanwhile = now() + 60_000
    pass(3 * day)
    near(before, 2 * hour + 3 * day)
    near(meanwhile, 3 * day - 60_000)
    jump(-jumpMs)
    pass(hour)
    near(before, 3 * day + 3 * hour)
    near(meanwhile, 3 * day + hour - 60_000)
    assert.deepEqual(jumps, [jumpMs, -jumpMs])
  })

for (const [what, wrongMs] of [
  ['a year behind', -year],
  ['a year ahead', year],
] as const)
  for (const setRight of ['while it runs', 'between two runs'] as const)
    test(`started ${what}, set right ${setRight}: everything has its true age, after a restart too`, async () => {
      const { run, now, pass, jump, crash } = machine()
      let clock = await run()
      const early = now()
      pass(hour)
      await clock.close()
      jump(wrongMs)
      clock = await run()
      const wrong = now()
      pass(hour)
      assert.ok(ageOf(early, clock.history()) <= 2 * hour)
      if (setRight === 'between two runs') {
        await clock.close()
        jump(-wrongMs)
        clock = await run()
      } else jump(-wrongMs)
      pass(hour)
      for (let restarts = 0; restarts < 3; restarts++) {
        const [ofEarly, ofWrong] = [ageOf(early, clock.history()), ageOf(wrong, clock.history())]
        assert.ok(Math.abs(ofEarly - 3 * hour) <= 20_000, `${ofEarly}`)
        assert.ok(Math.abs(ofWrong - 2 * hour) <= 20_000, `${ofWrong}`)
        await crash()
        clock = await run()
      }
    })

test('started ahead of a clock that is right, without a history: what that one shows counts, and what passes from then on', async () => {
  const { run, now, pass, jump, jumps } = machine()
  const rightMs = now()
  jump(year)
  const clock = await run()
  clock.compare(rightMs)
  assert.deepEqual(jumps, [year])
  pass(hour)
  assert.equal(ageOf(rightMs - 2 * day, clock.history()), 2 * day + hour)
  assert.equal(ageOf(now() - 60_000, clock.history()), 60_000)
  await clock.close()
})

test('a clock that is behind another one, or about as far, is believed: so nothing is older than either says', async () => {
  const { run, now, jumps } = machine()
  const clock = await run()
  clock.compare(now() + year)
  clock.compare(now() - 60_000)
  assert.deepEqual([jumps, clock.history().length], [[], 1])
  await clock.close()
})

test('an hour ahead of a clock that is right, a topic that keeps an hour loses nothing early', async () => {
  const { run, now, jump, jumps } = machine()
  const rightMs = now()
  jump(hour)
  const clock = await run()
  clock.compare(rightMs)
  assert.deepEqual([jumps, ageOf(rightMs - 60_000, clock.history())], [[hour], 60_000])
  await clock.close()
})

test('a first start with a wrong clock', async () => {
  const { run, now, pass, jump } = machine()
  jump(-year)
  const clock = await run()
  const stamp = now()
  pass(hour)
  jump(year)
  pass(hour)
  assert.ok(Math.abs(ageOf(stamp, clock.history()) - 2 * hour) <= 10_000)
})

test('time between two runs counts up to an hour', async () => {
  for (const [pauseMs, counted] of [
    [50 * 60_000, 50 * 60_000],
    [30 * day, 0],
  ] as const) {
    const { run, now, pass, jump } = machine()
    const first = await run()
    const stamp = now()
    pass(hour)
    await first.close()
    jump(pauseMs)
    const clock = await run()
    assert.equal(ageOf(stamp, clock.history()), hour + counted)
  }
})

test('a history that cannot be read makes nothing old, and is reported', async () => {
  for (const content of ['{', '{"version":1,"eras":[]}', '{"version":2,"eras":[[null,5]]}', '{"version":1,"eras":[[7,5]]}']) {
    const { run, now, files, failures } = machine()
    await files.replaceFile('/clock.json', Buffer.from(content))
    const clock = await run()
    assert.equal(ageOf(now() - year, clock.history()), 0)
    assert.equal(failures.length, 1)
    await clock.close()
    await run()
    assert.equal(failures.length, 1)
  }
})

test('one flipped bit in the history makes nothing expire', async () => {
  const { run, now, pass, jump, files } = machine()
  const first = await run()
  const stamps = [now() - day]
  pass(hour)
  stamps.push(now())
  jump(year)
  pass(hour)
  stamps.push(now())
  jump(-year)
  pass(hour)
  await first.close()
  const sound = files.readFile('/clock.json')!
  const intact = await run()
  const ages = stamps.map(stamp => ageOf(stamp, intact.history()))
  await intact.close()
  for (let bit = 0; bit < 8 * sound.length; bit++) {
    const content = Buffer.from(sound)
    content[bit >> 3]! ^= 1 << (bit & 7)
    await files.replaceFile('/clock.json', content)
    const clock = await run()
    for (const [nth, stamp] of stamps.entries()) {
      const age = ageOf(stamp, clock.history())
      assert.ok(age <= ages[nth]!, `bit ${bit}, ${content}: ${age} instead of ${ages[nth]}`)
    }
    await clock.close()
  }
})

test('if a clock keeps jumping, the oldest eras are dropped, and nothing gets too old', async () => {
  const { run, now, pass, jump, files } = machine()
  const clock = await run()
  const stamp = now()
  for (let times = 0; times < 600; times++) {
    jump(times % 2 === 0 ? day : -day)
    pass(10_000)
  }
  assert.ok(ageOf(stamp - year, clock.history()) <= 600 * 10_000)
  await clock.close()
  assert.ok(files.readFile('/clock.json')!.length < 20_000)
})

test('of overlapping eras the younger one counts', () => {
  const history: ClockHistory = [
    { from: Number.NEGATIVE_INFINITY, to: 1000 },
    { from: 500, to: 600 },
    { from: 2000, to: 2100 },
  ]
  const ages = [
    [400, 800],
    [500, 200],
    [599, 101],
    [700, 500],
    [1500, 100],
    [2050, 50],
    [2200, -100],
  ] as const
  for (const [stamp, age] of ages) assert.equal(ageOf(stamp, history), age, String(stamp))
  assert.equal(ageOf(1, history.slice(1)), 200)
})
