/**
 * `millrace trigger filter` and AWS's event-ruler are asked about the same patterns and events. Their answers must be the same: that a pattern matches, that it
 * does not, or that something is wrong with it. Messages may differ: event-ruler reads a pattern that it refuses once more with an older compiler, and tells
 * what that one says.
 *
 * `COMPAT_FILTERS_SEED` makes the same pairs again.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '../../sim/world/random.ts'
import { compile } from '../support/brokers.ts'
import { mavenJars, repository } from '../support/cache.ts'
import { must } from '../support/run.ts'
import type { Suite } from '../support/suite.ts'
import { Pairs } from './pairs.ts'

const version = '2.1.0'
const client = `event-ruler-${version}`
const patterns = 20_000
const eventsOfEach = 5
const mostShown = 5

export const filters: Suite = {
  folder: 'filters',
  clients: [client],
  async run(_, report) {
    const jars = await mavenJars('event-ruler', [`software.amazon.event.ruler:event-ruler:${version}`])
    await compile()
    const seed = Number(process.env['COMPAT_FILTERS_SEED'] ?? Date.now() % 2 ** 31)
    const pairs = new Pairs(seededRandom(seed))
    const lines: string[] = []
    for (let made = 0; made < patterns; made++) {
      const pattern = pairs.pattern()
      for (let event = 0; event < eventsOfEach; event++) lines.push(JSON.stringify({ pattern, event: pairs.event() }))
    }
    const directory = mkdtempSync(join(tmpdir(), 'millrace-filters-'))
    try {
      const file = join(directory, 'lines')
      writeFileSync(file, `${lines.join('\n')}\n`)
      const answers = async (command: string) =>
        (await must('sh', ['-c', `${command} < ${file}`], { env: { NODE: process.execPath, JARS: jars } })).trimEnd().split('\n')
      const theirs = await answers(`java -cp "$JARS" ${join(import.meta.dirname, 'Judge.java')}`)
      const ours = await answers(`"$NODE" ${join(repository, 'dist/cli.js')} trigger filter`)
      if (theirs.length !== lines.length || ours.length !== lines.length)
        throw new Error(`${lines.length} lines, ${theirs.length} answers of event-ruler, ${ours.length} of ours`)
      const kinds = new Map<string, number>()
      const different: string[] = []
      for (const [at, line] of lines.entries()) {
        const [their, our] = [kindOf(theirs[at]!), kindOf(ours[at]!)]
        kinds.set(their, (kinds.get(their) ?? 0) + 1)
        if (their !== our) different.push(`${line}: event-ruler says ${theirs[at]}, we say ${ours[at]}`)
      }
      const told = `${[...kinds].map(([kind, count]) => `${count} ${kind}`).join(', ')}; seed ${seed}`
      const detail = different.length === 0 ? told : `${different.length} differ, ${told}; ${different.slice(0, mostShown).join('; ')}`
      report({ client, name: 'generated', outcome: different.length === 0 ? 'ok' : 'FAIL', detail })
    } finally {
      rmSync(directory, { recursive: true })
    }
  },
}

function kindOf(answer: string): string {
  return answer === 'true' || answer === 'false' ? answer : 'error'
}
