import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { countedUp, exactlyOnce, nothingBroken, readAndCommitted, workedOff, writtenOnce } from '../../compat/endurance/verdicts.ts'
import { Finding, type LogRecord } from '../../compat/endurance/workload.ts'

const events = (text: string) =>
  text
    .split('\n')
    .map(line => line.trim().split(' '))
    .filter(([first]) => first !== '')
const log = (text: string): LogRecord[] =>
  events(text).map(([partition, offset, value]) => ({ partition: Number(partition), offset: Number(offset), value: value! }))

function finds(what: RegExp, judge: () => unknown): void {
  assert.throws(judge, (error: unknown) => error instanceof Finding && what.test(error.message))
}

describe('the verdicts of the endurance run', () => {
  it('find wrong responses, and clients that did not finish', () => {
    nothingBroken(events('seen 0 0 a-0\ndone'))
    finds(/1 times something.*first: a java\.lang\.Error/, () => nothingBroken(events('broken a java.lang.Error\ndone')))
    finds(/did not come to their end/, () => nothingBroken(events('seen 0 0 a-0')))
  })

  it('find records that are lost, duplicated, reordered or not ours', () => {
    const told = events('acked 0 0 a-0\nacked 1 0 a-1\nacked 0 1 a-2')
    assert.equal(writtenOnce(told, log('0 0 a-0\n1 0 a-1\n0 1 a-2')), 3)
    finds(/lost: a-2 was acknowledged at 0:1/, () => writtenOnce(told, log('0 0 a-0\n1 0 a-1')))
    finds(/lost: a-2 .* where there is a-9/, () => writtenOnce(told, log('0 0 a-0\n1 0 a-1\n0 1 a-9')))
    finds(/duplicated: a-2 is there again at 1:1/, () => writtenOnce(told, log('0 0 a-0\n0 1 a-2\n1 0 a-1\n1 1 a-2')))
    finds(/a-3 at 0:2 was never acknowledged/, () => writtenOnce(told, log('0 0 a-0\n1 0 a-1\n0 1 a-2\n0 2 a-3')))
    finds(/reordered: a-0 at 0:1 is behind a-2/, () => writtenOnce(events('acked 0 0 a-2\nacked 0 1 a-0'), log('0 0 a-2\n0 1 a-0')))
    finds(/twice/, () => writtenOnce(events('acked 0 0 a-0\nacked 0 1 a-0'), log('0 0 a-0\n0 1 a-0')))
  })

  it('find what was never read, and commits that went back', () => {
    const two = log('0 0 a-0\n0 1 a-1')
    const good = 'seen 0 0 a-0\nseen 0 1 a-1\ncommitted 0 2\nobserving\nobserved 0 2'
    assert.equal(readAndCommitted(events(good), two), 0)
    assert.equal(readAndCommitted(events(`seen 0 0 a-0\n${good}`), two), 1)
    finds(/a-1 at 0:1 was never read/, () => readAndCommitted(events('seen 0 0 a-0\ncommitted 0 1\nobserving\nobserved 0 1'), two))
    finds(/never read \(b-1 was\)/, () => readAndCommitted(events('seen 0 0 a-0\nseen 0 1 b-1'), two))
    finds(/went back from 2 to 1/, () => readAndCommitted(events(`${good}\nobserving\nobserved 0 1`), two))
    finds(/went back from 2 to 0/, () => readAndCommitted(events('committed 0 2\nobserving\nobserved 0 0'), []))
    finds(/0:1 was read again after 2 was committed/, () => readAndCommitted(events(`${good}\nseen 0 1 a-1`), two))
    finds(/in the end 2 is committed of 0, not 3/, () => readAndCommitted(events(`${good}\ncommitted 0 3`), two))
  })

  it('do not report a commit as lost that was acknowledged during a request', () => {
    readAndCommitted(events('committed 0 1\nobserving\ncommitted 0 2\nobserved 0 1\nobserving\nobserved 0 2'), [])
  })

  it('find counts that skip, repeat, fall short, or are of words that were not there', () => {
    const words = ['a', 'b', 'a']
    assert.equal(countedUp(words, log('0 0 a=1\n0 1 a=2\n1 0 b=1')), 3)
    finds(/a=2 at 0:0 came after a=0/, () => countedUp(words, log('0 0 a=2\n1 0 b=1')))
    finds(/a=1 at 0:1 came after a=1/, () => countedUp(words, log('0 0 a=1\n0 1 a=1\n1 0 b=1')))
    finds(/a was there 2 times and is counted 1 times/, () => countedUp(words, log('0 0 a=1\n1 0 b=1')))
    finds(/b was there 1 times and is counted undefined times/, () => countedUp(words, log('0 0 a=1\n0 1 a=2')))
    finds(/1 words were counted/, () => countedUp(words, log('0 0 a=1\n0 1 a=2\n1 0 b=1\n1 1 c=1')))
  })

  it('find output that is missing, twice, out of order, or of nothing', () => {
    const input = log('0 0 a-0\n0 1 a-1\n1 0 a-2')
    exactlyOnce(input, log('0 0 a-0\n0 2 a-1\n1 0 a-2'))
    finds(/lost: nothing came of a-1/, () => exactlyOnce(input, log('0 0 a-0\n1 0 a-2')))
    finds(/a-1 at 0:1 came out 2 times/, () => exactlyOnce(input, log('0 0 a-0\n0 2 a-1\n0 3 a-1\n1 0 a-2')))
    finds(/1 records of output have no input/, () => exactlyOnce(input, log('0 0 a-0\n0 2 a-1\n1 0 a-2\n1 1 a-3')))
    finds(/reordered: a-1 came out of 0 as number 0/, () => exactlyOnce(input, log('0 0 a-1\n0 2 a-0\n1 0 a-2')))
  })

  it('find jobs that are lost, or delivered after they were done', () => {
    const two = log('0 0 a-0\n0 1 a-1')
    const first = 'delivered 0 0 a-0 1\nasked 0 0 ACCEPT\nconfirmed 0 0 ACCEPT'
    const second =
      'delivered 0 1 a-1 1\nasked 0 1 RELEASE\nconfirmed 0 1 RELEASE\ndelivered 0 1 a-1 2\nasked 0 1 REJECT\nconfirmed 0 1 REJECT'
    assert.deepEqual(workedOff(events(`${first}\n${second}`), two), { confirmed: 3, redelivered: 1, deliveries: 2 })
    // Not confirmed: it may have been taken all the same, and then it is not delivered again.
    assert.equal(workedOff(events(`${second}\ndelivered 0 0 a-0 1\nasked 0 0 ACCEPT\nrefused 0 Error`), two).confirmed, 2)
    finds(/a-1 at 0:1 was never delivered/, () => workedOff(events(first), two))
    finds(/the last that was done with a-1 at 0:1 was nothing/, () => workedOff(events(`${first}\ndelivered 0 1 a-1 1`), two))
    finds(/the last that was done with a-1 at 0:1 was RELEASE/, () =>
      workedOff(events(`${first}\ndelivered 0 1 a-1 1\nasked 0 1 RELEASE\nconfirmed 0 1 RELEASE`), two),
    )
    finds(/a-0 at 0:0 was delivered after ACCEPT was confirmed/, () => workedOff(events(`${first}\ndelivered 0 0 a-0 2`), two))
  })
})
