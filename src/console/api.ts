/** All routes of the console's API. The application imports the types from here, and nothing else. */
import { configRoutes } from './api/config.ts'
import { groupRoutes } from './api/groups.ts'
import { loginRoutes } from './api/login.ts'
import { messageRoutes } from './api/messages.ts'
import { overviewRoutes } from './api/overview.ts'
import { rightsRoutes } from './api/rights.ts'
import { topicRoutes } from './api/topics.ts'
import type { Route } from './route.ts'

export type { Problem } from './problem.ts'

const all = [...loginRoutes, ...rightsRoutes, ...overviewRoutes, ...topicRoutes, ...configRoutes, ...messageRoutes, ...groupRoutes] as const

/** By `GET /topics`. */
export type Routes = { readonly [R in (typeof all)[number] as `${R['method']} ${R['path']}`]: R }

export const routes = all as unknown as readonly Route[]
