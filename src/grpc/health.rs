//! `grpc.health.v1`: what a load balancer is told.
//!
//! The health is the app's to decide; this holds the handle and the names.

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::pb::v1::media_generation_server::SERVICE_NAME;

/// The health of the server as a whole and of its one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health {
    reporter: HealthReporter,
}

impl Health {
    /// A server that does not serve yet.
    pub async fn new() -> Self {
        let health = Self {
            reporter: HealthReporter::new(),
        };
        health.set(ServingStatus::NotServing).await;
        health
    }

    /// Says that calls are welcome.
    pub async fn serving(&self) {
        self.set(ServingStatus::Serving).await;
    }

    /// Says that calls should go elsewhere, and ends every watch of the health after that word:
    /// a watch that went on would hold its connection open through the whole drain.
    pub async fn not_serving(&self) {
        self.set(ServingStatus::NotServing).await;
        let mut reporter = self.reporter.clone();
        for name in NAMES {
            reporter.clear_service_status(name).await;
        }
        self.set(ServingStatus::NotServing).await;
    }

    /// The service to route to.
    pub(super) fn server(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    async fn set(&self, status: ServingStatus) {
        for name in NAMES {
            self.reporter.set_service_status(name, status).await;
        }
    }
}

/// The server as a whole, and its one service.
const NAMES: [&str; 2] = ["", SERVICE_NAME];
