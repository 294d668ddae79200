/**
 * console: the web console. Serves the built application and, below `/api`, the JSON with which it works.
 *
 * Hides how pages of lists are made without reading everything for each, how records are searched and merged in the order of time, and how the
 * application is kept in memory. The application imports only types from here: those of `console/api.ts`.
 */
export { openConsole } from './console/open.ts'
