//! What a generation does, and which media go in and come out.

use std::fmt;

/// What a generation does; one per generation endpoint that a provider may offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// A video from words, perhaps guided by references.
    TextToVideo,
    /// A video from one image or keyframes.
    ImageToVideo,
    /// A video from a video.
    VideoToVideo,
    /// A character moved by a recorded performance.
    CharacterPerformance,
    /// A video with more pixels or frames.
    VideoUpscale,
    /// A video with a high dynamic range.
    VideoToHdr,
    /// An image from words, perhaps guided by references.
    TextToImage,
    /// An image with more pixels.
    ImageUpscale,
    /// Spoken words.
    TextToSpeech,
    /// Speech in another voice.
    SpeechToSpeech,
    /// A sound from words.
    SoundEffect,
    /// A soundtrack for a video.
    VideoToAudio,
    /// Speech in another language.
    VoiceDubbing,
    /// A voice without its background.
    VoiceIsolation,
}

/// A kind of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Media {
    /// A still picture.
    Image,
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
}

/// Where an input goes; one per position that a provider's requests know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// What the model means by a single input of its kind.
    #[default]
    Unspecified,
    /// The image that the video begins with.
    FirstFrame,
    /// The image that the video ends with.
    LastFrame,
    /// An image that guides the result.
    Reference,
    /// The image to work on.
    SourceImage,
    /// The video to work on.
    SourceVideo,
    /// The sound to work on.
    SourceAudio,
    /// A video that guides the result.
    ReferenceVideo,
    /// A sound that guides the result.
    ReferenceAudio,
    /// The character to move: an image or a video.
    Character,
    /// The recorded performance that moves a character.
    Performance,
    /// The image that says where to edit.
    Mask,
    /// The sound whose voice is to speak.
    Voice,
    /// An image that a moment of the video is to look like; comes with its moment.
    Keyframe,
}

impl Operation {
    /// Every operation, in the order in which they are listed.
    pub const ALL: [Self; 14] = [
        Self::TextToVideo,
        Self::ImageToVideo,
        Self::VideoToVideo,
        Self::CharacterPerformance,
        Self::VideoUpscale,
        Self::VideoToHdr,
        Self::TextToImage,
        Self::ImageUpscale,
        Self::TextToSpeech,
        Self::SpeechToSpeech,
        Self::SoundEffect,
        Self::VideoToAudio,
        Self::VoiceDubbing,
        Self::VoiceIsolation,
    ];

    /// Whether what comes out is a medium that went in, made otherwise: it keeps its shape.
    pub const fn remakes(self) -> bool {
        matches!(
            self,
            Self::VideoToVideo | Self::VideoUpscale | Self::VideoToHdr | Self::ImageUpscale
        )
    }

    /// The name, as in `text_to_video`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TextToVideo => "text_to_video",
            Self::ImageToVideo => "image_to_video",
            Self::VideoToVideo => "video_to_video",
            Self::CharacterPerformance => "character_performance",
            Self::VideoUpscale => "video_upscale",
            Self::VideoToHdr => "video_to_hdr",
            Self::TextToImage => "text_to_image",
            Self::ImageUpscale => "image_upscale",
            Self::TextToSpeech => "text_to_speech",
            Self::SpeechToSpeech => "speech_to_speech",
            Self::SoundEffect => "sound_effect",
            Self::VideoToAudio => "video_to_audio",
            Self::VoiceDubbing => "voice_dubbing",
            Self::VoiceIsolation => "voice_isolation",
        }
    }

    /// The operation of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.as_str() == name)
    }

    /// What comes out.
    pub const fn output(self) -> Media {
        match self {
            Self::TextToVideo
            | Self::ImageToVideo
            | Self::VideoToVideo
            | Self::CharacterPerformance
            | Self::VideoUpscale
            | Self::VideoToHdr => Media::Video,
            Self::TextToImage | Self::ImageUpscale => Media::Image,
            Self::TextToSpeech
            | Self::SpeechToSpeech
            | Self::SoundEffect
            | Self::VideoToAudio
            | Self::VoiceDubbing
            | Self::VoiceIsolation => Media::Audio,
        }
    }
}

impl Media {
    /// The name, as in `video`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Image, Self::Video, Self::Audio]
            .into_iter()
            .find(|media| media.as_str() == name)
    }
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 14] = [
        Self::Unspecified,
        Self::FirstFrame,
        Self::LastFrame,
        Self::Reference,
        Self::SourceImage,
        Self::SourceVideo,
        Self::SourceAudio,
        Self::ReferenceVideo,
        Self::ReferenceAudio,
        Self::Character,
        Self::Performance,
        Self::Mask,
        Self::Voice,
        Self::Keyframe,
    ];

    /// The name, as in `first_frame`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::FirstFrame => "first_frame",
            Self::LastFrame => "last_frame",
            Self::Reference => "reference",
            Self::SourceImage => "source_image",
            Self::SourceVideo => "source_video",
            Self::SourceAudio => "source_audio",
            Self::ReferenceVideo => "reference_video",
            Self::ReferenceAudio => "reference_audio",
            Self::Character => "character",
            Self::Performance => "performance",
            Self::Mask => "mask",
            Self::Voice => "voice",
            Self::Keyframe => "keyframe",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Whether it is the first or the last frame, of which a request has one each.
    pub const fn is_frame(self) -> bool {
        matches!(self, Self::FirstFrame | Self::LastFrame)
    }

    /// The kind of media it implies, where only one makes sense.
    pub const fn media(self) -> Option<Media> {
        match self {
            Self::Unspecified | Self::Character => None,
            Self::FirstFrame
            | Self::LastFrame
            | Self::Reference
            | Self::SourceImage
            | Self::Mask
            | Self::Keyframe => Some(Media::Image),
            Self::SourceVideo | Self::ReferenceVideo | Self::Performance => Some(Media::Video),
            Self::SourceAudio | Self::ReferenceAudio | Self::Voice => Some(Media::Audio),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Display for Media {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for operation in Operation::ALL {
            assert_eq!(Operation::parse(operation.as_str()), Some(operation));
        }
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Operation::parse("TEXT_TO_VIDEO"), None);
    }
}
