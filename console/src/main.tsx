/** The web console. Everything that it knows comes from the API below `/api`, whose types it shares with the service. */
import './base.css'
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { ApiError } from './api.ts'
import { router } from './router.tsx'
import { Gate } from './shell/gate.tsx'
import { applyTheme } from './theme.ts'

/** Libraries that add style sheets of their own look for it under this name. */
declare global {
  var __webpack_nonce__: string | undefined
}
globalThis.__webpack_nonce__ = document.querySelector<HTMLMetaElement>('meta[name=csp-nonce]')?.content

applyTheme()

const queries = new QueryClient({
  queryCache: new QueryCache({
    onError(error, { queryKey }) {
      // The login has ended: the gate asks for another one.
      if (error instanceof ApiError && error.status === 401 && queryKey[0] !== 'GET /login')
        void queries.invalidateQueries({ queryKey: ['GET /login'] })
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // What was refused is refused again; only what could not be reached may be there now.
      retry: (failures, error) => failures < 2 && (!(error instanceof ApiError) || error.status === 503),
    },
  },
})

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <Gate>
        <RouterProvider router={router} />
      </Gate>
    </QueryClientProvider>
  </StrictMode>,
)
