/** Go's clients, in one program: franz-go, sarama, kafka-go. */
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached, fetching, needs } from '../support/cache.ts'
import { must } from '../support/run.ts'
import { runSecured, type Suite } from '../support/suite.ts'

const clients = ['franz-go', 'sarama', 'kafka-go']
const here = import.meta.dirname

export const go: Suite = {
  folder: 'go',
  clients,
  async run(target, report) {
    const program = await build()
    for (const client of clients) await runSecured(target, client, report, program, [client], { seconds: 900 })
  },
}

async function build(): Promise<string> {
  await needs('go', 'Go 1.26 or newer')
  const files = readdirSync(here).filter(name => /\.go$|^go\./.test(name))
  const text = files.map(name => readFileSync(join(here, name), 'utf8')).join('')
  const directory = await cached('go', text, async at => {
    for (const name of files) cpSync(join(here, name), join(at, name))
    await fetching('Go modules', must('go', ['mod', 'download'], { cwd: at }))
    await must('go', ['build', '-mod=readonly', '-o', 'compat', '.'], { cwd: at })
  })
  return join(directory, 'compat')
}
