/**
 * config: the configuration of the broker, its groups and its client metrics subscriptions.
 *
 * Hides the declarations of all keys (Kafka's, and a few of Millrace's own), the sources of their values (defaults, file, environment,
 * flags, dynamic configs), and how they are described and altered. `docs/configuration.md` derives from the declarations.
 */
export { type Alteration, checkBrokerId, configChange, mostConfigs, readAlterations } from './config/alter.ts'
export { BrokerConfig, type BrokerValues, type ConfigSource, type Given } from './config/broker-config.ts'
export {
  type Described,
  describeAllBrokers,
  describeBroker,
  describeClientMetrics,
  describeGroup,
  describeLogger,
  rootLogger,
  sourceIds,
} from './config/describe.ts'
export { type ExplainedKey, type Explanation, explainConfig, renderExplanation } from './config/explain.ts'
export { deadLetterRules, shareConfig } from './config/group-configs.ts'
export type { BrokerKey } from './config/keys.ts'
export { badListenerValue, listenerValue } from './config/listener-values.ts'
export { type Endpoint, type Listener, parseHttpAddress } from './config/listeners.ts'
export { type ConfigInputs, ConfigProblems, loadBrokerConfig } from './config/load.ts'
export { configurationReference } from './config/reference.ts'
export { isEveryAddress } from './config/resolve-listeners.ts'
export {
  clusterLimits,
  dataDirectory,
  groupSettings,
  logSettings,
  processCount,
  quotaWindows,
  serverLimits,
  sharedHomeSettings,
  shareSettings,
  transactionSettings,
} from './config/settings.ts'
export { describeTopicConfigs, effectiveTopicConfig, topicDefaultKeys, topicDefaults, topicRules } from './config/topics.ts'
