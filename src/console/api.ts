/** All routes of the console's API. The application imports the types from here, and nothing else. */
import { configRoutes } from './api/config.ts'
import { connectorFormRoutes } from './api/connector-form.ts'
import { connectorRoutes } from './api/connectors.ts'
import { filterRoutes } from './api/filters.ts'
import { groupRoutes } from './api/groups.ts'
import { historyRoutes } from './api/history.ts'
import { loginRoutes } from './api/login.ts'
import { messageRoutes } from './api/messages.ts'
import { overviewRoutes } from './api/overview.ts'
import { produceRoutes } from './api/produce.ts'
import { rightsRoutes } from './api/rights.ts'
import { schemaRoutes } from './api/schemas.ts'
import { securityRoutes } from './api/security.ts'
import { shareRoutes } from './api/share.ts'
import { topicGroupRoutes } from './api/topic-groups.ts'
import { topicRoutes } from './api/topics.ts'
import { transactionRoutes } from './api/transactions.ts'
import { triggerTestRoutes } from './api/trigger-tests.ts'
import { triggerRoutes } from './api/triggers.ts'
import type { Route } from './route.ts'

export type { Problem } from './problem.ts'

const all = [
  ...loginRoutes,
  ...rightsRoutes,
  ...overviewRoutes,
  ...historyRoutes,
  ...topicRoutes,
  ...topicGroupRoutes,
  ...configRoutes,
  ...messageRoutes,
  ...produceRoutes,
  ...filterRoutes,
  ...groupRoutes,
  ...shareRoutes,
  ...schemaRoutes,
  ...connectorRoutes,
  ...connectorFormRoutes,
  ...securityRoutes,
  ...transactionRoutes,
  ...triggerRoutes,
  ...triggerTestRoutes,
] as const

/** By `GET /topics`. */
export type Routes = { readonly [R in (typeof all)[number] as `${R['method']} ${R['path']}`]: R }

export const routes = all as unknown as readonly Route[]
