import asyncapi from './index.js'

// The same names as in `index.ts`: values, and the types that go with them.
export default asyncapi
export { asyncapi }

export type AsyncApiOptions = asyncapi.AsyncApiOptions
export type AsyncApiDocument = asyncapi.AsyncApiDocument
export type AsyncApiChannel = asyncapi.AsyncApiChannel
export type AsyncApiOperation = asyncapi.AsyncApiOperation
export type AsyncApiMessage = asyncapi.AsyncApiMessage
export type AsyncApiServer = asyncapi.AsyncApiServer
export type AsyncApiRouteConfig = asyncapi.AsyncApiRouteConfig
