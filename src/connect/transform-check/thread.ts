/** The thread of one check. */
import { parentPort, workerData } from 'node:worker_threads'
import { realSystem } from '../../base.ts'
import type { Config } from '../plugin-config.ts'
import { transformProblems } from '../transforms.ts'

transformProblems(workerData as Config, { system: realSystem() }).then(problems => {
  parentPort!.postMessage(problems)
  parentPort!.close()
})
