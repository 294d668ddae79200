/** The process that gets killed: `node broker-process.ts <directory> <port> [key=value …]`. Prints its port when clients can connect. */
import { startBroker } from '../../src/millrace.ts'

const [directory, port, ...settings] = process.argv.slice(2)
const config = Object.fromEntries(
  settings.map(setting => [setting.slice(0, setting.indexOf('=')), setting.slice(setting.indexOf('=') + 1)]),
)
const broker = await startBroker({ directory: directory!, port: Number(port), config })
console.log(broker.port)
// Whoever started this process is gone when its pipe ends: then this one must not stay behind.
process.stdin.on('end', () => process.exit(0)).resume()
