/** The services of `npm run sim -- worst-services`: a process of its own, that reports how long the turns of its event loop took. */
import { realSystem } from '../../src/base.ts'
import { silentLogger } from '../../src/logger.ts'
import { type ServicesSettings, startServices } from '../../src/services.ts'
import { TurnMeter } from './turn-meter.ts'

const settings = JSON.parse(process.argv[2]!) as ServicesSettings
const logger = { ...silentLogger, error: (details: object, message: string) => console.error(message, details) }
const services = await startServices(settings, realSystem(), logger)
const meter = new TurnMeter()
process.on('message', () => {
  meter.count()
  process.send!(meter.turns)
  // What follows is no longer what was asked for.
  setImmediate(() => meter.reset())
})
// Whoever started this process is gone when its channel closes.
process.on('disconnect', () => process.exit(0))
process.send!(Object.fromEntries(services.ports))
