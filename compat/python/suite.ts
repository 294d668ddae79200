/** Python's clients, in one virtual environment: confluent-kafka (librdkafka), aiokafka, kafka-python. */
import { join } from 'node:path'
import { pythonPackages } from '../support/cache.ts'
import { runSecured, type Suite } from '../support/suite.ts'

const here = import.meta.dirname
const programs = { 'confluent-kafka': 'confluent_cases.py', aiokafka: 'aiokafka_cases.py', 'kafka-python': 'kafka_python_cases.py' }

export const python: Suite = {
  folder: 'python',
  clients: Object.keys(programs),
  async run(target, report) {
    const interpreter = join(await pythonPackages('python', join(here, 'requirements.txt')), 'bin/python')
    for (const [client, program] of Object.entries(programs))
      await runSecured(target, client, report, interpreter, [join(here, program)], { seconds: 900 })
  },
}
