/**
 * broker: a running Kafka broker over the log and the coordinators.
 *
 * Hides connections, handlers, configuration, metrics, and the order in which they start and stop.
 */

export {
  BrokerConfig,
  type ConfigInputs,
  ConfigProblems,
  configurationReference,
  dataDirectory,
  type ExplainedKey,
  type Explanation,
  explainConfig,
  type Given,
  isEveryAddress,
  type Listener,
  listenerValue,
  loadBrokerConfig,
  parseHttpAddress,
  processCount,
  renderExplanation,
} from './broker/config.ts'
export { connectionsThatFit } from './broker/connections/descriptors.ts'
export { handlers } from './broker/handlers.ts'
export { type Exposition, exposition } from './broker/http/exposition.ts'
export { type HttpEndpoint, startHttp } from './broker/http/http.ts'
export { type ImportOptions, type ImportProgress, type ImportReport, importKafka } from './broker/import/import.ts'
export { writeScramCredential } from './broker/security/first-user.ts'
export { makeServicesUser, type ServicesLogin, servicesUser } from './broker/security/services-user.ts'
export { CannotListen } from './broker/start/cannot-listen.ts'
export { processDirectory } from './broker/start/data-directory.ts'
export { leftToRepair, type Repaired, repairPartitions } from './broker/start/repair.ts'
export { type RunningBroker, type StartOptions, startBroker } from './broker/start.ts'
export type { ClusterExportReport } from './broker/transfer/export-cluster.ts'
export type { ClusterImportReport } from './broker/transfer/import-cluster.ts'
export { exportCluster, importIntoCluster } from './broker/transfer/open.ts'
