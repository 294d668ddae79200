/** Python's clients, in one virtual environment: confluent-kafka (librdkafka), aiokafka, kafka-python. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached, fetching, needs } from '../support/cache.ts'
import { must } from '../support/run.ts'
import { runSecured, type Suite } from '../support/suite.ts'

const here = import.meta.dirname
const programs = { 'confluent-kafka': 'confluent_cases.py', aiokafka: 'aiokafka_cases.py', 'kafka-python': 'kafka_python_cases.py' }

export const python: Suite = {
  folder: 'python',
  clients: Object.keys(programs),
  async run(target, report) {
    const interpreter = join(await environment(), 'bin/python')
    for (const [client, program] of Object.entries(programs))
      await runSecured(target, client, report, interpreter, [join(here, program)], { seconds: 900 })
  },
}

async function environment(): Promise<string> {
  await needs('python3', 'Python 3.10 or newer')
  const requirements = join(here, 'requirements.txt')
  return cached('python', readFileSync(requirements, 'utf8'), async at => {
    await must('python3', ['-m', 'venv', at])
    await fetching('Python packages', must(join(at, 'bin/python'), ['-m', 'pip', 'install', '-q', '-r', requirements]))
  })
}
