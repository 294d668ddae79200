/**
 * Clients of Confluent's REST proxy against ours: the examples of its documentation, and clients as they are published. The proxy and the registry run as a
 * process of their own over the broker.
 *
 * Of the clients that registries give out, these two speak version 2; Confluent's SDK for Go cannot be had from Go's proxy, and the others (npm's kafka-rest,
 * PyPI's kafka-rest and kafka-rest-client) know only version 1, which Confluent's proxy does not have any more either.
 */
import { join } from 'node:path'
import { pythonPackages } from '../support/cache.ts'
import { usingServices } from '../support/services.ts'
import { type Programs, runPrograms, type Suite } from '../support/suite.ts'

const here = import.meta.dirname
const programs: Programs = {
  'kafka-rest-documentation': async () => [process.execPath, join(here, 'documentation.ts')],
  'rest-streams': async () => [process.execPath, join(here, 'streams.ts')],
  'nlp-kafka-rest-api': async () => [join(await pythonEnvironment(), 'bin/python'), join(here, 'nlp_cases.py')],
  'pymapr-kafkarest': async () => [join(await pythonEnvironment(), 'bin/python'), join(here, 'mapr_cases.py')],
}

const pythonEnvironment = () => pythonPackages('python-rest', join(here, 'requirements.txt'))

export const rest: Suite = {
  folder: 'rest',
  clients: Object.keys(programs),
  async run(target, report) {
    await usingServices(target.bootstrap)(['registry', 'rest'], ({ urls, pid }) =>
      runPrograms(programs, report, [urls.rest, urls.registry, String(pid)], { seconds: 400 }),
    )
  },
}
